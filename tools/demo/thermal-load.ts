/**
 * The air of a refrigerated box, by Newton's law of cooling: it takes up heat through its walls in proportion to the difference to the air
 * outside, and a cooling unit that is switched at two temperatures takes heat out of it. The air outside is a sine of one day. A physical
 * model, no recording: the constants are those of a well-insulated box of a cubic metre, and say what the numbers in the story come from.
 */
export interface Weather {
  /** Mean over a day, and how far it swings, in degrees Celsius. */
  mean: number;
  swing: number;
}

/** Hours until the difference to the air outside has fallen to 1/e without cooling. */
const wallHours = 9;
/** Degrees an hour that the unit takes out of the box. */
const coolingPerHour = 9;
/** Where the unit is switched off and on, in degrees Celsius. */
const [offBelow, onAbove] = [4, 6];
const stepHours = 1 / 12;

export class ThermalLoad {
  #temperature: number;
  #hours = 0;
  #cools = false;
  #broken = false;

  constructor(temperature = 5) {
    this.#temperature = temperature;
  }

  /** The unit stops, and never comes back. */
  breakDown(): void {
    this.#broken = true;
  }

  /** Degrees Celsius after so many hours more in this weather. */
  after(hours: number, { mean, swing }: Weather): number {
    for (let left = hours; left > 0; left -= stepHours) this.#step(Math.min(left, stepHours), mean, swing);
    return Math.round(this.#temperature * 100) / 100;
  }

  #step(hours: number, mean: number, swing: number): void {
    this.#hours += hours;
    const outside = mean + swing * Math.sin((2 * Math.PI * (this.#hours - 9)) / 24);
    if (this.#temperature > onAbove) this.#cools = true;
    if (this.#temperature < offBelow) this.#cools = false;
    const out = this.#cools && !this.#broken ? coolingPerHour : 0;
    this.#temperature += hours * ((outside - this.#temperature) / wallHours - out);
  }
}
