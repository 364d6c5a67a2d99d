import type { Socket } from 'socket.io-client';

/** What a row's key is given as: the value of its column, or an object with all of the key's columns. */
export type Key<Row> = string | number | bigint | Partial<Row>;

/** What the server answers: one row of `SELECT sio_snapshot() AS snapshot, … AS rows`. */
export interface Fetched<Row> {
  snapshot: string;
  /** A null is a row that the watch's filter doesn't see. */
  rows: (Row | null)[];
}

/** The names of a watch's events. Those that the watch doesn't send can be left out. */
export interface EventNames {
  insert?: string;
  update?: string;
  delete?: string;
  /** The watch's `left_event`. */
  left?: string;
  truncate?: string;
  /** With `payload => 'change'`: one name for all operations. */
  change?: string;
}

export interface Options<Row> {
  /** The watch's event before its `:$op`, so that `order` is `order:insert` and so on, and `order:left`; or all names. */
  events: string | EventNames;
  /** The columns of the primary key, by their names in the events. `id` by default. */
  key?: (keyof Row & string) | (keyof Row & string)[];
  /** Asks the server for the list. Called at each connect, and again after a failure. */
  fetch: () => Promise<Fetched<Row>>;
  /** The watch's `payload`. `row` by default. */
  payload?: 'row' | 'key' | 'change';
  /** Which rows belong to the list, where the socket's rooms bring others, too. All by default. */
  where?: (row: Row) => boolean;
}

export interface Change<Row> {
  /** The list was fetched: `set` has all rows. */
  reset: boolean;
  /** Rows that are new or have changed. */
  set: readonly Row[];
  /** Rows that are gone, as they were last. */
  removed: readonly Row[];
}

/** `offline`; `loading`, from a connect on, or after a fetch that failed, until one succeeds; `live`. */
export type State = 'offline' | 'loading' | 'live';

export interface List<Row> {
  /** The rows: those of the fetch in its order, then those that came. The same array until something changes. */
  readonly rows: readonly Row[];
  readonly state: State;
  get(key: Key<Row>): Row | undefined;
  /** Once per event that changed something, and per fetch. */
  on(event: 'change', listener: (change: Change<Row>) => void): this;
  on(event: 'state', listener: (state: State) => void): this;
  /** A fetch that failed, and will be repeated; an event that can't be understood. Without a listener, on the console. */
  on(event: 'error', listener: (error: unknown) => void): this;
  off(event: 'change' | 'state' | 'error', listener: (...args: never[]) => void): this;
  /** Fetches the list anew. */
  refetch(): void;
  /** Stops following. The rows stay as they are. */
  close(): void;
}

/** Follows the rows of a table that a watch sends, or those of them that `fetch` returns. */
export function follow<Row extends object>(socket: Socket<any, any>, options: Options<Row>): List<Row>;
