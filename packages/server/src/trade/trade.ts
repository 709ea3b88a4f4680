/**
 * What trade and its tools read, from plain facts: GS1 Digital Links, EPCIS documents, labels with QR symbols, the plot of a load.
 * - The same facts give the same bytes, and each value from outside is escaped where it lands.
 * - Of several ways to write a thing it takes the one that implementations were seen to agree on.
 * Refuses to know: stores, networks, clocks, keys, and whom anything is shown to.
 */
export {
  checkDigitOf,
  type DigitalLink,
  readDigitalLink,
  type TradeItem,
  tradeItemOf,
  tradeLink,
} from './digital-link.ts';
export { type EpcisDocument, epcisDocument, type Trace } from './epcis.ts';
export { type LabelFacts, labelSvg } from './label.ts';
export { type PlotFacts, plot } from './plot.ts';
export { inCapitals, type QrSymbol, symbolBytesMax, symbolOf, symbolPng, symbolSvg } from './symbol.ts';
