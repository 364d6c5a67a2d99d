// A table's rows in a client, kept as they are in the table: fetched at each connect, then followed by the events of a watch.
//
// Events can overtake each other, and may tell what the fetched list has already. Therefore neither the order nor the time of
// their arrival decides, but what each brings along: `xid`, its transaction, which a list that names its snapshot contains or
// not; and `seq`, which rises with each change of a row.

// Milliseconds: before a fetch that failed is repeated, at first and at most; and between two fetches that events ask for.
const RETRY = { first: 500, most: 30_000 };
const PAUSE = 250;

// So many rows that are gone are remembered, up to twice as many. Then the list is fetched anew: all that is known of them is
// old then. By chance, or all clients would ask at the same event.
const MOST_GONE = 10_000;

/** Follows a table, or the part of it that `fetch` returns: see README.md. */
export function follow(socket, options) {
  return new List(socket, options);
}

class List {
  #socket;
  #options;
  #key;
  #known; // nothing until the first fetch
  #meanwhile; // what happens while a fetch runs
  #rows; // the array that `rows` returns until the next change
  #state;
  #handlers;
  #listeners = new Map();
  #run; // the fetch under way or waiting for its time: another object for each
  #isAsked = false; // to fetch again once this fetch is done
  #failures = 0;
  #mostGone = MOST_GONE * (1 + Math.random());

  constructor(socket, { key = 'id', events, fetch, payload = 'row', where = () => true }) {
    this.#socket = socket;
    this.#key = [key].flat();
    this.#options = { fetch, payload, where };
    const names = typeof events === 'string'
      ? Object.fromEntries(['insert', 'update', 'delete', 'left', 'truncate'].map((kind) => [kind, `${events}:${kind}`]))
      : events;
    // Insert and update may have one name: they mean the same to a list.
    const kinds = new Map(Object.entries(names).map(([kind, name]) => [name, kind]));
    this.#handlers = [...kinds].map(([name, kind]) => [name, (...args) => this.#receive(kind, name, args)]);
    this.#handlers.push(['connect', () => this.#load()], ['disconnect', () => this.#disconnected()]);
    for (const [name, handler] of this.#handlers) socket.on(name, handler);
    this.#state = 'offline';
    if (socket.connected) this.#load();
  }

  /** The rows: those of the fetch in its order, then those that came. The same array until something changes. */
  get rows() {
    this.#rows ??= this.#known ? this.#known.rows() : [];
    return this.#rows;
  }

  /** The row of that key: a value, or an object with the key's columns. */
  get(key) {
    return this.#known?.entries.get(this.#keyOf(key))?.row;
  }

  /** `offline`; `loading`, from a connect on, or after a fetch that failed, until one succeeds; `live`. */
  get state() {
    return this.#state;
  }

  on(event, listener) {
    if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
    this.#listeners.get(event).add(listener);
    return this;
  }

  off(event, listener) {
    this.#listeners.get(event)?.delete(listener);
    return this;
  }

  /** Fetches the list anew. */
  refetch() {
    if (this.#meanwhile) this.#isAsked = true;
    else if (this.#socket.connected) this.#load();
  }

  /** Ends it. The rows stay as they are. */
  close() {
    for (const [name, handler] of this.#handlers) this.#socket.off(name, handler);
    this.#disconnected();
  }

  #emit(event, ...args) {
    const listeners = this.#listeners.get(event);
    if (event === 'error' && !listeners?.size) console.error(...args);
    for (const listener of [...(listeners ?? [])]) {
      try {
        listener(...args);
      } catch (error) {
        queueMicrotask(() => { throw error; }); // the listener's own, and none of the list's
      }
    }
  }

  #become(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.#emit('state', state);
  }

  // ---- fetching ----

  #disconnected() {
    this.#stop();
    this.#become('offline');
  }

  #stop() {
    clearTimeout(this.#run?.timer);
    this.#run = undefined;
    this.#meanwhile = undefined;
    this.#isAsked = false;
  }

  #loadIn(milliseconds) {
    this.#stop();
    const run = {};
    run.timer = setTimeout(() => this.#load(), milliseconds);
    this.#run = run;
  }

  // What a connection before this one has asked for is no answer: events may have been lost since.
  async #load() {
    this.#stop();
    const run = {};
    this.#run = run;
    // All that has arrived until now is contained in what is fetched from now on.
    const meanwhile = new Known();
    this.#meanwhile = meanwhile;
    if (this.#state === 'offline') this.#become('loading');
    let known;
    try {
      const fetched = await this.#options.fetch();
      if (this.#run !== run) return;
      known = this.#knownFrom(fetched);
    } catch (error) {
      if (this.#run !== run) return;
      this.#emit('error', error);
      if (this.#run !== run) return;
      this.#become('loading');
      const longest = Math.min(RETRY.first * 2 ** this.#failures, RETRY.most);
      this.#failures += 1;
      this.#loadIn(longest * (0.5 + Math.random() / 2));
      return;
    }
    this.#failures = 0;
    known.follow(meanwhile);
    this.#known = known;
    this.#rows = undefined;
    this.#meanwhile = undefined;
    this.#run = undefined;
    if (this.#isAsked) this.#loadIn(PAUSE);
    this.#emit('change', { reset: true, set: this.rows, removed: [] });
    if (this.#state === 'loading') this.#become('live');
  }

  #knownFrom(fetched) {
    const { snapshot, rows } = fetched ?? {};
    if (typeof snapshot !== 'string' || !/^\d+:\d+:[\d,]*$/.test(snapshot) || !Array.isArray(rows)) {
      if (fetched?.error) throw new Error(`the server answered fetch with an error: ${JSON.stringify(fetched.error).slice(0, 200)}`);
      throw new TypeError(`fetch returned no { snapshot, rows }: ${JSON.stringify(fetched)?.slice(0, 200)}`);
    }
    const known = new Known(snapshot);
    for (const row of rows) {
      // sio_row gives null for a row that the watch's filter doesn't see.
      if (row && this.#options.where(row)) known.entries.set(this.#keyOf(row), { row, seq: 0n });
    }
    return known;
  }

  // ---- following ----

  #receive(kind, name, [argument, second]) {
    try {
      // Without a row, the argument may be missing.
      const meta = metaOf(second) ?? (kind === 'truncate' ? metaOf(argument) : undefined);
      if (!meta) return this.#ask();
      const changes = kind === 'truncate' ? [{ truncates: true }] : [argument].flat().flatMap((one) => this.#changes(kind, one));
      if (changes.some(({ isUnknown }) => isUnknown) && !this.#known?.contains(meta.xid)) this.#ask();
      this.#meanwhile?.apply(changes, meta);
      const change = this.#known?.apply(changes, meta);
      if (this.#known?.gone > this.#mostGone) this.#ask();
      if (!change) return;
      this.#rows = undefined;
      this.#emit('change', { reset: false, ...change });
    } catch (error) {
      this.#emit('error', new Error(`${name}: ${error.message}`, { cause: error }));
    }
  }

  /** What an argument, or an element of it, says of the list: of each key, its row, or that it is gone. */
  #changes(kind, argument) {
    const gone = (row) => ({ key: this.#keyOf(row) });
    if (kind === 'left') return [gone(argument)];
    if (this.#options.payload === 'change') {
      const { operation, record, old_record: old } = argument;
      if (operation === 'TRUNCATE') return [{ truncates: true }];
      if (!record) return [gone(old)];
      const present = this.#present(record);
      // The key itself may have changed.
      return old && gone(old).key !== present.key ? [gone(old), present] : [present];
    }
    if (kind === 'delete') return [gone(argument)];
    return [this.#options.payload === 'key' ? { isUnknown: true } : this.#present(argument)];
  }

  #present(row) {
    return { key: this.#keyOf(row), row: this.#options.where(row) ? row : undefined };
  }

  // A number in one place may be a text in another. The separator can't be in a text of Postgres.
  #keyOf(value) {
    if (typeof value !== 'object' || value === null) return String(value);
    return this.#key.map((column) => {
      if (value[column] === undefined || value[column] === null) throw new TypeError(`a row has no ${column}`);
      return String(value[column]);
    }).join('\0');
  }

  // An event whose row can't be known, or whose place in the order can't.
  #ask() {
    if (this.#meanwhile) this.#isAsked = true;
    else if (this.#known && !this.#run && this.#socket.connected) this.#loadIn(PAUSE);
  }
}

/** What is known of the rows: each key's latest change. */
class Known {
  /** Key → { row, seq, xid }; without a row, it is gone. */
  entries = new Map();
  /** How many are gone. */
  gone = 0;
  #truncation = { seq: -1n };

  /** With the snapshot that rows were fetched by; without it, nothing is contained. */
  constructor(snapshot) {
    if (snapshot === undefined) {
      this.contains = () => false;
      return;
    }
    const [xmin, xmax, running] = snapshot.split(':');
    const [least, next, open] = [BigInt(xmin), BigInt(xmax), new Set(running.split(','))];
    /** Whether the rows that were fetched contain what that transaction did. */
    this.contains = (xid) => xid < least || (xid < next && !open.has(String(xid)));
  }

  rows() {
    return [...this.entries.values()].filter(({ row }) => row !== undefined).map(({ row }) => row);
  }

  /** Applies an event's changes, as far as they are news: → { set: rows, removed: rows }, or nothing. */
  apply(changes, meta) {
    if (this.contains(meta.xid)) return undefined;
    const [set, removed] = [[], []];
    for (const { truncates, key, row } of changes) {
      if (truncates) removed.push(...this.#truncate(meta));
      else if (key !== undefined) {
        const before = this.entries.get(key);
        if (!this.#set(key, row, meta)) continue;
        if (row !== undefined) set.push(row);
        else if (before?.row !== undefined) removed.push(before.row);
      }
    }
    return set.length + removed.length > 0 ? { set, removed } : undefined;
  }

  /** Applies what happened while the rows were fetched. Of each key, its latest change suffices. */
  follow(meanwhile) {
    if (meanwhile.#truncation.xid !== undefined && !this.contains(meanwhile.#truncation.xid)) this.#truncate(meanwhile.#truncation);
    for (const [key, { row, ...meta }] of meanwhile.entries) {
      if (!this.contains(meta.xid)) this.#set(key, row, meta);
    }
  }

  #set(key, row, { seq, xid }) {
    const before = this.entries.get(key);
    if (seq < this.#truncation.seq || seq < before?.seq) return false;
    // A statement's events have one number: of a row that it moves from one key to the next, both keys' rows may be told.
    if (seq === before?.seq && row === undefined) return false;
    if (before && before.row === undefined) {
      this.gone -= 1;
      this.entries.delete(key); // so that it comes last
    }
    if (row === undefined) this.gone += 1;
    this.entries.set(key, { row, seq, xid });
    return true;
  }

  #truncate({ seq, xid }) {
    const removed = [];
    if (seq < this.#truncation.seq) return removed;
    this.#truncation = { seq, xid };
    for (const [key, entry] of this.entries) {
      if (entry.seq > seq) continue;
      this.entries.delete(key);
      if (entry.row === undefined) this.gone -= 1;
      else removed.push(entry.row);
    }
    return removed;
  }
}

/** The second argument of a watch's event, or nothing if it is none. */
function metaOf(argument) {
  const { xid, seq } = argument ?? {};
  return typeof xid === 'string' && typeof seq === 'string' ? { xid: BigInt(xid), seq: BigInt(seq) } : undefined;
}
