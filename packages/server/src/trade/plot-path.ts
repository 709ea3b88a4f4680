export interface Point {
  /** Milliseconds since 1970. */
  at: number;
  value: number;
}

interface Mapping {
  x(at: number): number;
  y(value: number): number;
}

/**
 * The curve: of the points in one column of the picture the first, the least, the greatest and the last, so that no peak is lost and
 * a month of readings costs no more than a day of them. It breaks where a gap begins: nothing is drawn that nobody knows.
 */
export function pathOf(points: readonly Point[], gaps: readonly { from: number }[], { x, y }: Mapping): string {
  const starts = gaps.map(({ from }) => from).toSorted((one, other) => one - other);
  const groups: { segment: number; column: number; points: Point[] }[] = [];
  let segment = 0;
  for (const point of points.toSorted((one, other) => one.at - other.at)) {
    while ((starts[segment] ?? Number.POSITIVE_INFINITY) < point.at) segment++;
    const column = Math.floor(x(point.at));
    const last = groups.at(-1);
    if (last?.segment === segment && last.column === column) last.points.push(point);
    else groups.push({ segment, column, points: [point] });
  }
  return groups
    .map((group, at) => {
      const begins = groups[at - 1]?.segment !== group.segment;
      const texts = extremesOf(group.points).map((point) => `${x(point.at).toFixed(0)} ${y(point.value).toFixed(1)}`);
      // A point that stands alone is seen by the round ends of a line of no length.
      return `${begins ? 'M' : 'L'}${texts.join('L')}${begins ? 'h0' : ''}`;
    })
    .join('');
}

function extremesOf(column: readonly Point[]): Point[] {
  const [first, last] = [column[0], column.at(-1)] as [Point, Point];
  let [least, greatest] = [first, first];
  for (const point of column) {
    if (point.value < least.value) least = point;
    if (point.value > greatest.value) greatest = point;
  }
  return [...new Set([first, ...[least, greatest].toSorted((one, other) => one.at - other.at), last])];
}
