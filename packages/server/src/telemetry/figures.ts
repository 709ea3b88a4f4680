/** What a process tells of itself in figures. A door of its own: commands need none of it, and it takes time to load. */
export { type Figure, Figures } from './figure-registry.ts';
export { type FiguresAddress, FiguresListener } from './figures-listener.ts';
