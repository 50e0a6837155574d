/** How many columns of tiles show people largest: arithmetic only. */

export interface Grid {
  columns: number;
  rows: number;
  tileWidth: number;
  tileHeight: number;
}

/** A camera's picture; wider than this a tile only shows bars. */
const WIDEST = 16 / 9;
/** How much of a picture's sides a tile may crop: on a phone down to a square, elsewhere to 4:3. */
const narrowest = (width: number) => (width < 600 ? 1 : 4 / 3);

/**
 * The grid for `count` tiles in a box of `width` × `height` pixels with `gap` pixels between them, chosen so that
 * a tile has the largest area; fewer columns at equal area, so that a phone held upright stacks people.
 */
export function fitGrid(count: number, width: number, height: number, gap = 8): Grid {
  let best: Grid = { columns: 1, rows: Math.max(1, count), tileWidth: 0, tileHeight: 0 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const roomWidth = (width - gap * (columns - 1)) / columns;
    const roomHeight = (height - gap * (rows - 1)) / rows;
    if (roomWidth < 1 || roomHeight < 1) continue;
    const tileWidth = Math.floor(Math.min(roomWidth, roomHeight * WIDEST));
    const tileHeight = Math.floor(Math.min(roomHeight, tileWidth / narrowest(width)));
    if (tileWidth * tileHeight > best.tileWidth * best.tileHeight * 1.001) best = { columns, rows, tileWidth, tileHeight };
  }
  return best;
}

/** How many people one page of the grid holds: 25 where there is room, 6 on a phone. */
export function tilesPerPage(width: number): number {
  return width < 600 ? 6 : width < 1000 ? 16 : 25;
}

export function pages<T>(items: readonly T[], size: number): T[][] {
  const cut: T[][] = [];
  for (let at = 0; at < items.length; at += size) cut.push(items.slice(at, at + size));
  return cut.length === 0 ? [[]] : cut;
}
