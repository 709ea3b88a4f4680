/** A sample of Prometheus' text format: its name, its labels, and the rest of the line. */
const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?( .*)$/;
/** `# HELP name …`, `# TYPE name …`. */
const about = /^# (?:HELP|TYPE) (\S+) /;

/**
 * What several processes tell of themselves, as one: each sample has a further label that says whose it is. The lines of one name stand
 * together (https://prometheus.io/docs/instrumenting/exposition_formats/#grouping-and-sorting).
 */
export function mergedFigures(label: string, texts: ReadonlyMap<string, string>): string {
  const families = new Map<string, { about: Set<string>; samples: string[] }>();
  for (const [value, text] of texts) {
    let family: { about: Set<string>; samples: string[] } | undefined;
    for (const line of text.split('\n')) {
      const [, name] = about.exec(line) ?? [];
      if (name !== undefined) {
        family = families.get(name) ?? { about: new Set(), samples: [] };
        families.set(name, family);
        family.about.add(line);
        continue;
      }
      const [, sampled, labels, rest] = sample.exec(line) ?? [];
      if (sampled === undefined) continue;
      const all = [...(labels ? [labels] : []), `${label}="${value}"`].join(',');
      family?.samples.push(`${sampled}{${all}}${rest}`);
    }
  }
  const blocks = [...families.values()].map(({ about: lines, samples }) => [...lines, ...samples].join('\n'));
  return `${blocks.join('\n\n')}\n`;
}
