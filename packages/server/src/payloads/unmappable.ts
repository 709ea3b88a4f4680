/** Thrown within the room alone: the door makes a refusal of it. */
export class Unmappable extends Error {}
