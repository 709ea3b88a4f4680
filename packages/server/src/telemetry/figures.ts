/** What a process tells of itself in figures. A door of its own: commands need none of it, and it takes time to load. */
export { type Figure, Figures, type ToldFigures } from './figure-registry.ts';
export { type FiguresAddress, FiguresListener, type Hindrance } from './figures-listener.ts';
export { mergedFigures } from './merged-figures.ts';
