import { PortcullisError } from '@portcullis/contract';

/** A field holds a certificate at most; a record a subject. */
const recordLengthMax = 1024 * 1024;

export interface CsvRecord {
  /** From 1. */
  line: number;
  fields: string[];
}

type Where = 'start' | 'plain' | 'quoted' | 'after';

/**
 * Records as they come (RFC 4180: fields in quotes may hold commas, quotes that are doubled, and line breaks). Empty lines are none.
 * @throws {PortcullisError} `request_malformed` where a quote is open at the end, or stands where none may
 */
export class CsvReader {
  #where: Where = 'start';
  #field = '';
  #fields: string[] = [];
  #length = 0;
  #line = 1;
  #startedAt = 1;
  #wasReturn = false;

  /** The records that are whole by now. */
  *read(text: string): Generator<CsvRecord> {
    for (const character of text) {
      if (character === '\n' && this.#wasReturn && this.#where !== 'quoted') {
        this.#wasReturn = false;
        this.#line++;
        continue;
      }
      this.#wasReturn = character === '\r' && this.#where !== 'quoted';
      if ((character === '\n' || character === '\r') && this.#where !== 'quoted') yield* this.#ended();
      else this.#take(character);
      if (character === '\n') this.#line++;
    }
  }

  *end(): Generator<CsvRecord> {
    if (this.#where === 'quoted') throw this.#wrong('a quote is not closed');
    if (this.#length > 0) yield* this.#ended();
  }

  #take(character: string): void {
    if (++this.#length > recordLengthMax) throw this.#wrong(`it is longer than ${recordLengthMax} characters`);
    if (this.#where === 'quoted') {
      if (character === '"') this.#where = 'after';
      else this.#field += character;
    } else if (character === ',') this.#next();
    else if (character === '"') this.#quote();
    else if (this.#where === 'after') throw this.#wrong('something follows a quote');
    else {
      this.#where = 'plain';
      this.#field += character;
    }
  }

  #quote(): void {
    if (this.#where === 'plain') throw this.#wrong('a quote stands within a field that does not begin with one');
    if (this.#where === 'after') this.#field += '"';
    this.#where = 'quoted';
  }

  #next(): void {
    this.#fields.push(this.#field);
    this.#field = '';
    this.#where = 'start';
  }

  *#ended(): Generator<CsvRecord> {
    if (this.#length > 0) {
      this.#next();
      yield { line: this.#startedAt, fields: this.#fields };
    }
    this.#fields = [];
    this.#length = 0;
    // Whoever ends with a line feed counts it after this.
    this.#startedAt = this.#line + 1;
  }

  #wrong(why: string): PortcullisError {
    return new PortcullisError('request_malformed', `the record of line ${this.#startedAt} is no CSV: ${why}`);
  }
}

/** RFC 4180: quoted where it has to be. */
export const csvField = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
