export { realSystem, type System, timestamp } from './system.ts';
