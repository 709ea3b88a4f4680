/** So many places, each held on behalf of a group; who holds the most is known at once, whatever the number of groups. */
export class Places<Held> {
  readonly #max: number;
  readonly #groups = new Map<string, Set<Held>>();
  /** By how many places they hold. */
  readonly #groupsWith: Set<string>[] = [];
  #size = 0;
  #most = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#size;
  }

  get isFull(): boolean {
    return this.#size >= this.#max;
  }

  take(group: string, held: Held): void {
    const places = this.#groups.get(group) ?? new Set();
    this.#groups.set(group, places);
    if (places.has(held)) return;
    places.add(held);
    this.#moved(group, places.size - 1, places.size);
    this.#size++;
    this.#most = Math.max(this.#most, places.size);
  }

  leave(group: string, held: Held): void {
    const places = this.#groups.get(group);
    if (!places?.delete(held)) return;
    if (places.size === 0) this.#groups.delete(group);
    this.#moved(group, places.size + 1, places.size);
    this.#size--;
    if (this.#groupsWith[this.#most]?.size === 0) this.#most--;
  }

  /** Those of the group that has to give way to one more of `group`, oldest first; none where no group has more than that one would have. */
  givingWayTo(group: string): Iterable<Held> {
    if (this.#most <= this.countOf(group) + 1) return [];
    const [largest] = this.#groupsWith[this.#most] ?? [];
    return this.of(largest ?? '');
  }

  countOf(group: string): number {
    return this.#groups.get(group)?.size ?? 0;
  }

  /** Oldest first. */
  of(group: string): Iterable<Held> {
    return this.#groups.get(group) ?? [];
  }

  *all(): Iterable<Held> {
    for (const places of this.#groups.values()) yield* places;
  }

  #moved(group: string, from: number, to: number): void {
    this.#groupsWith[from]?.delete(group);
    if (to === 0) return;
    const others = this.#groupsWith[to] ?? new Set();
    this.#groupsWith[to] = others.add(group);
  }
}
