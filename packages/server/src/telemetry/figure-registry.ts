import { Counter, Gauge, Registry } from 'prom-client';
import type { Durations } from './durations.ts';
import { version } from './version.ts';

/**
 * Figures in Prometheus' text format, each read when it is asked for: nothing is counted twice on the way in. What only grows is a counter,
 * and is called so (https://prometheus.io/docs/practices/naming/).
 */
export class Figures {
  readonly #registry = new Registry();
  readonly #histograms: (() => string)[] = [];

  constructor() {
    const about = 'The version of this program, as a label of the number 1';
    const build = new Gauge({
      name: 'portcullis_build_info',
      help: about,
      labelNames: ['version'],
      registers: [this.#registry],
    });
    build.set({ version }, 1);
    this.counter('process_cpu_seconds_total', 'Processor time of this process', cpuSeconds);
    this.gauge('process_resident_memory_bytes', 'Memory of this process', () => process.memoryUsage.rss());
    this.gauge('process_start_time_seconds', 'When this process started, in seconds since 1970', () =>
      startedSeconds(),
    );
  }

  gauge(name: string, help: string, read: () => number | Promise<number>): void {
    new Gauge({
      ...{ name, help, registers: [this.#registry] },
      async collect() {
        this.set(await read());
      },
    });
  }

  counter(name: string, help: string, read: () => number): void {
    new Counter({
      ...{ name, help, registers: [this.#registry] },
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }

  /** How long something took each time: counted where it happens, and read here. */
  histogram(name: string, help: string, read: () => DurationsRead): void {
    this.#histograms.push(() => histogramText(name, help, read()));
  }

  /** One figure for each value of a label. */
  labelled(
    kind: 'counter' | 'gauge',
    { label, ...about }: { name: string; help: string; label: string },
    read: () => Figure[],
  ): void {
    const figures = () => read().map(([value, figure]) => [{ [label]: value }, figure] as const);
    this.byLabels(kind, { ...about, labels: [label] }, figures);
  }

  /** One figure for each set of values of several labels. */
  byLabels(
    kind: 'counter' | 'gauge',
    about: { name: string; help: string; labels: string[] },
    read: () => (readonly [values: Record<string, string>, figure: number])[],
  ): void {
    const { name, help, labels: labelNames } = about;
    new (kind === 'counter' ? Counter : Gauge)({
      ...{ name, help, labelNames, registers: [this.#registry] },
      collect() {
        this.reset();
        for (const [values, figure] of read()) this.inc(values, figure);
      },
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async text(): Promise<string> {
    const metrics = await this.#registry.metrics();
    return [metrics, ...this.#histograms.map((tell) => `${tell()}\n`)].join('\n');
  }
}

type DurationsRead = Pick<Durations, 'count' | 'seconds' | 'upTo'>;

/** https://prometheus.io/docs/instrumenting/exposition_formats/#histograms-and-summaries. The library's own would count a second time. */
function histogramText(name: string, help: string, durations: DurationsRead): string {
  const { count, seconds } = durations;
  const buckets = [...durations.upTo(), ['+Inf', count] as const];
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} histogram`,
    ...buckets.map(([bound, sum]) => `${name}_bucket{le="${bound}"} ${sum}`),
    `${name}_sum ${seconds}`,
    `${name}_count ${count}`,
  ].join('\n');
}

/** What of them is told. */
export type ToldFigures = Pick<Figures, 'contentType' | 'text'>;

/** The value of a label, and the figure under it. */
export type Figure = readonly [value: string, figure: number];

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

const startedSeconds = () => performance.timeOrigin / 1000;
