import qrcode from 'qrcode';

/** A QR symbol (ISO/IEC 18004) as what is dark in it. */
export interface QrSymbol {
  /** Modules in a row, without the quiet zone. */
  size: number;
  isDark(row: number, column: number): boolean;
}

/** Modules of white around a symbol (ISO/IEC 18004, section 6.3.8). */
export const quietZone = 4;

/** What fits one of the largest size that mends the least (ISO/IEC 18004, table 7). */
export const symbolBytesMax = 2_953;

/** `M` mends an eighth of what is lost, for what lies in the rain; `L` half of that, for what is long. */
export function symbolOf(text: string, correction: 'M' | 'L' = 'M'): QrSymbol {
  const { modules } = qrcode.create(text, { errorCorrectionLevel: correction });
  return { size: modules.size, isDark: (row, column) => modules.get(row, column) === 1 };
}

/** The symbol of a text as a picture with its quiet zone, eight dots a module. */
export function symbolPng(text: string): Promise<Buffer> {
  return qrcode.toBuffer(text, { errorCorrectionLevel: 'M', margin: quietZone, scale: 8 });
}

/** The same as a picture that can be printed at any size. */
export function symbolSvg(text: string): string {
  const symbol = symbolOf(text);
  const side = symbol.size + 2 * quietZone;
  const box = `${-quietZone} ${-quietZone} ${side} ${side}`;
  const drawn = `<path stroke="#000" shape-rendering="crispEdges" d="${symbolPath(symbol)}"/>`;
  const ground = `<rect x="${-quietZone}" y="${-quietZone}" width="${side}" height="${side}" fill="#fff"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${box}" width="40mm" height="40mm">${ground}${drawn}</svg>\n`;
}

/** One line a run of dark modules: to be stroked, one module wide. */
export function symbolPath({ size, isDark }: QrSymbol): string {
  const runs: string[] = [];
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const from = column;
      while (column < size && isDark(row, column)) column++;
      if (column > from) runs.push(`M${from} ${row}.5h${column - from}`);
    }
  }
  return runs.join('');
}

/** Capitals take fewer modules than small letters (ISO/IEC 18004, section 7.4.4); scheme and host may be written either way (RFC 3986 §6.2.2.1). */
export function inCapitals(url: string): string {
  const { protocol, host } = new URL(url);
  const origin = `${protocol}//${host}`;
  return url.toLowerCase().startsWith(origin) ? `${origin.toUpperCase()}${url.slice(origin.length)}` : url;
}
