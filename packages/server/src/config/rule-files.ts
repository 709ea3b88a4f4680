import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { PortcullisError } from '@portcullis/contract';
import { markOf } from './file-mark.ts';
import { readYaml } from './read-yaml.ts';
import { type Problem, problemsOfRule, RuleFile } from './rule-config.ts';

const filesMax = 200;

/** The files of `rules/` beside `fleet.yaml`, which may change while the authority runs. */
export class RuleFiles {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = join(directory, 'rules');
  }

  /** A fleet without the folder has no rules. @throws {PortcullisError} `config_invalid` */
  get files(): string[] {
    const names = listed(this.directory).filter((name) => /\.ya?ml$/.test(name) && !name.startsWith('.'));
    if (names.length > filesMax)
      throw invalid(this.directory, `it holds ${names.length} rules; at most ${filesMax} are allowed`);
    return names.sort().map((name) => join(this.directory, name));
  }

  /** Changes when a file does, comes or goes; it reads none. */
  mark(): string {
    return listed(this.directory)
      .map((name) => `${name}=${markOf(join(this.directory, name))}`)
      .sort()
      .join(' ');
  }

  /** All of them, or none. `check` says what is wrong with a rule by itself. @throws {PortcullisError} `config_invalid`, with file and line */
  load(check: (rule: RuleFile) => Problem[]): RuleFile[] {
    const seen = new Map<string, string>();
    return this.files.map((file) => {
      const rule = loadRule(file, check);
      const other = seen.get(rule.rule);
      if (other !== undefined) throw invalid(file, `there is a rule "${rule.rule}" in ${other} too`);
      seen.set(rule.rule, file);
      return rule;
    });
  }
}

/** @throws {PortcullisError} `config_invalid` */
export function loadRule(file: string, check: (rule: RuleFile) => Problem[]): RuleFile {
  const shape = RuleFile.superRefine((rule, context) => {
    for (const { path, message } of [...problemsOfRule(rule), ...check(rule)])
      context.addIssue({ code: 'custom', path, message });
  });
  return readYaml(file, shape);
}

function listed(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    throw new PortcullisError('config_invalid', `${directory}: must be a directory that can be read (${code})`, {
      cause,
    });
  }
}

const invalid = (file: string, why: string) => new PortcullisError('config_invalid', `${file}: ${why}`);
