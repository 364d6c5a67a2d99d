// A customer's list of orders, with a connection of its own as in a browser of its own.
/* global io */
import { animate, clone, create, find } from './dom.js';
import { follow } from './follow.js';

const SHOWN = 5; // of the newest orders; the others are a dot each
const FLASHING = 100; // elements that are animated at most: thousands would stall the browser
const EVENTS = ['order:insert', 'order:update', 'order:delete', 'order:left', 'order:photo'];

export class Customer {
  #orders = new Map(); // by id
  #rows = new Map(); // the elements of the newest, by the order's id
  #dots = new Map(); // those of the others
  #photos = new Map(); // their URLs, by the order's id
  #late = []; // photos that came while the list was fetched
  #changed = new Set(); // ids: of what the latest transaction changed
  #flashing = new Set(); // ids: since the last time it was drawn
  #left = new Set(); // ids that are gone since then
  #isDrawing = false;
  #number;
  #state;
  #server;
  #section;
  #elements;
  #url;

  /** `transactions` is told what arrives. `client` is the name by which the show knows the connection. */
  constructor(number, transactions) {
    this.#number = number;
    this.client = `${number}-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;
    this.#url = `/customers/${number}/orders`;
    const section = clone('customer');
    section.id = `customer-${number}`;
    section.setAttribute('aria-labelledby', `${section.id}-name`);
    this.#section = section;
    this.#elements = Object.fromEntries(['connection', 'orders', 'rest', 'dots', 'room', 'name'].map((name) => (
      [name, section.querySelector(`.${name}`)])));
    this.#elements.name.textContent = `Customer ${number}`;
    this.#elements.name.id = `${section.id}-name`;
    this.#elements.room.textContent = `customer:${number}`;
    find('#customers').append(section);

    // By WebSocket alone: each event is one frame then, whose size can be told. forceNew, or both customers would share a connection.
    const socket = io({
      forceNew: true, transports: ['websocket'], auth: { customer: number }, query: { client: this.client },
      reconnectionDelay: 300, reconnectionDelayMax: 2_000,
    });
    const sizes = new Sizes(socket);
    socket.on('show:statement', (statement) => {
      this.#begin(statement.xid);
      transactions.statement(statement);
    });
    socket.on('show:commit', (commit) => transactions.committed(commit));
    for (const event of EVENTS) {
      socket.on(event, (argument, meta) => {
        const { xid } = meta ?? argument;
        this.#begin(xid);
        transactions.received(number, { xid, event, rows: Array.isArray(argument) ? argument.length : 0, bytes: sizes.latest });
      });
    }

    // The list that Postgres has, whatever is lost, late or overtaken.
    const orders = follow(socket, { events: 'order', fetch: () => socket.timeout(10_000).emitWithAck('orders:list') });
    orders.on('change', ({ reset, set, removed }) => (reset ? this.#fill(set) : this.#apply(set, removed)));
    orders.on('state', (state) => this.#show({ state }));
    socket.on('order:photo', ({ id, photo }) => {
      if (orders.state === 'live') this.#setPhoto(id, photo);
      else this.#late.push({ id, photo });
    });
    this.#show({ state: orders.state });
  }

  /** The newest order, or nothing. */
  get newest() {
    return this.#orders.get(Math.max(...this.#orders.keys()));
  }

  /** The status of an order of that item, or nothing if there is none. */
  statusOf(item) {
    return [...this.#orders.values()].find((order) => order.item === item)?.status;
  }

  /** The name of the server that it is connected to, if any. */
  set server(server) {
    this.#show({ server });
  }

  #show({ state = this.#state, server = this.#server }) {
    [this.#state, this.#server] = [state, server];
    const text = {
      live: `live${server ? ` through server ${server}` : ''}`, loading: 'fetching the list', offline: 'not connected, trying again',
    }[state];
    this.#elements.connection.textContent = text;
    this.#elements.connection.dataset.connection = state;
  }

  // A mark stays on what the latest transaction changed.
  #xid;
  #begin(xid) {
    if (xid === this.#xid) return;
    this.#xid = xid;
    if (this.#changed.size === 0) return;
    this.#changed.clear();
    this.#draw();
  }

  // Photos aren't in the list. Those that came meanwhile are newer than what is fetched now.
  async #fill(orders) {
    const before = this.#orders;
    this.#orders = new Map(orders.map((order) => [order.id, order]));
    // What changed while there was no connection; at first everything is new, and nothing of it news.
    if (before.size > 0) {
      this.#changed.clear();
      for (const order of orders) if (!isEqual(order, before.get(order.id))) this.#mark(order.id);
    }
    for (const id of this.#photos.keys()) if (!this.#orders.get(id)?.has_photo) this.#setPhoto(id);
    const old = new Set(this.#photos.keys());
    for (const { id, photo } of this.#late.splice(0)) {
      this.#setPhoto(id, photo);
      old.delete(id);
    }
    this.#draw();
    for (const { id } of orders.filter((order) => order.has_photo)) {
      if (this.#photos.has(id) && !old.has(id)) continue;
      const known = this.#photos.get(id);
      const response = await fetch(`${this.#url}/${id}/photo`).catch(() => undefined);
      const photo = response?.ok ? await response.blob() : undefined;
      if (photo && this.#orders.get(id)?.has_photo && this.#photos.get(id) === known) this.#setPhoto(id, photo);
    }
  }

  #mark(id) {
    this.#changed.add(id);
    this.#flashing.add(id);
  }

  #apply(set, removed) {
    for (const { id } of removed) {
      this.#orders.delete(id);
      this.#left.add(id);
      this.#setPhoto(id);
    }
    for (const order of set) {
      this.#orders.set(order.id, order);
      if (!order.has_photo) this.#setPhoto(order.id);
      this.#mark(order.id);
    }
    this.#draw();
  }

  #setPhoto(id, photo) {
    if (this.#photos.has(id)) URL.revokeObjectURL(this.#photos.get(id));
    if (photo) this.#photos.set(id, URL.createObjectURL(new Blob([photo])));
    else this.#photos.delete(id);
    if (this.#rows.has(id)) this.#drawPhoto(this.#rows.get(id), this.#orders.get(id) ?? { id, item: '' });
  }

  // ---- drawing: once a frame, however many events there were ----

  #draw() {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    this.#section.setAttribute('aria-busy', 'true');
    // A page in the background has no frames, and should be right, too.
    const draw = () => {
      if (!this.#isDrawing) return;
      this.#isDrawing = false;
      this.#drawNow();
      this.#section.removeAttribute('aria-busy');
    };
    requestAnimationFrame(draw);
    setTimeout(draw, 100);
  }

  #drawNow() {
    const ids = [...this.#orders.keys()].sort((one, other) => other - one);
    const flash = this.#flashing.size <= FLASHING;
    this.#drawRows(ids.slice(0, SHOWN));
    this.#drawDots(ids.slice(SHOWN), flash);
    this.#flashing.clear();
    this.#left.clear();
  }

  #drawRows(ids) {
    const list = this.#elements.orders;
    const places = new Map([...this.#rows].map(([id, element]) => [id, element.offsetTop]));
    for (const [id, element] of this.#rows) {
      if (ids.includes(id)) continue;
      this.#rows.delete(id);
      if (this.#left.has(id)) this.#leave(element);
      else element.remove();
    }
    const isFirst = list.childElementCount === 0;
    ids.forEach((id, i) => {
      const order = this.#orders.get(id);
      const isNew = !this.#rows.has(id);
      const element = this.#rows.get(id) ?? clone('order');
      this.#rows.set(id, element);
      element.dataset.id = id;
      element.dataset.status = order.status;
      element.querySelector('.item').textContent = order.item;
      element.querySelector('.quantity').textContent = `× ${order.quantity.toLocaleString('en')}`;
      element.querySelector('.id').textContent = `no. ${id}`;
      element.querySelector('.status').textContent = order.status;
      element.classList.toggle('changed', this.#changed.has(id));
      this.#drawPhoto(element, order);
      const there = [...list.children].filter((child) => !child.inert)[i];
      if (there !== element) list.insertBefore(element, there ?? null);
      if (isFirst) return;
      if (this.#flashing.has(id)) animate(element, [{ backgroundColor: 'var(--flash)' }, {}], 1_500);
      if (isNew) animate(element, [{ opacity: 0, transform: 'translateY(-0.75rem)' }, {}], 300);
    });
    for (const [id, top] of places) {
      const element = this.#rows.get(id);
      const moved = element ? top - element.offsetTop : 0;
      if (moved !== 0) animate(element, [{ transform: `translateY(${moved}px)` }, {}], 300);
    }
  }

  // Out of the flow, where it was.
  async #leave(element) {
    const { offsetTop, offsetWidth, offsetHeight } = element;
    element.inert = true;
    element.setAttribute('aria-hidden', 'true');
    Object.assign(element.style, { position: 'absolute', top: `${offsetTop}px`, width: `${offsetWidth}px`, height: `${offsetHeight}px` });
    await animate(element, [{}, { opacity: 0, transform: 'translateX(2rem)' }], 400);
    element.remove();
  }

  // Without a photo, its letter: an empty box looks like a picture that failed.
  #drawPhoto(element, { id, item }) {
    const place = element.querySelector('.photo');
    const url = this.#photos.get(id);
    if (place.dataset.shows === (url ?? item[0])) return;
    place.dataset.shows = url ?? item[0];
    if (url) {
      const image = create('img', '');
      image.src = url;
      image.alt = '';
      place.replaceChildren(image);
    } else place.replaceChildren(create('span', '', item[0]?.toUpperCase() ?? ''));
  }

  #drawDots(ids, flash) {
    const { rest, dots } = this.#elements;
    const wanted = new Set(ids);
    for (const [id, dot] of this.#dots) {
      if (wanted.has(id)) continue;
      dot.remove();
      this.#dots.delete(id);
    }
    const isFirst = dots.childElementCount === 0;
    let there = dots.firstElementChild;
    for (const id of ids) {
      const dot = this.#dots.get(id) ?? create('i', '');
      this.#dots.set(id, dot);
      dot.dataset.status = this.#orders.get(id).status;
      if (dot === there) there = there.nextElementSibling;
      else dots.insertBefore(dot, there);
      if (flash && !isFirst && this.#flashing.has(id)) animate(dot, [{ transform: 'scale(1.6)' }, {}], 600);
    }
    if (!flash) animate(dots, [{ backgroundColor: 'var(--flash)' }, {}], 1_500);
    rest.hidden = ids.length === 0;
    rest.querySelector('p').textContent = `and ${ids.length.toLocaleString('en')} older: ${this.#summary(ids)}`;
  }

  #summary(ids) {
    const counts = new Map();
    for (const id of ids) {
      const { status } = this.#orders.get(id);
      counts.set(status, (counts.get(status) ?? 0) + 1);
    }
    const all = [...counts].sort(([, one], [, other]) => other - one);
    const told = all.slice(0, 3).map(([status, count]) => `${count.toLocaleString('en')} ${status.slice(0, 20)}`);
    return [...told, ...(all.length > 3 ? ['…'] : [])].join(', ');
  }
}

// Bytes of the WebSocket frames that made the latest event.
class Sizes {
  latest = 0;

  constructor(socket) {
    const measure = (data) => {
      // A text begins a packet; the binaries that it announces follow. Its frame began with a letter more, which is Engine.IO's.
      if (typeof data === 'string') this.latest = 1 + new Blob([data]).size;
      else this.latest += data.byteLength;
    };
    socket.io.on('open', () => socket.io.engine.on('data', measure));
  }
}

// Events and lists may have the columns in another order.
function isEqual(one, other) {
  return other !== undefined && Object.keys(one).every((name) => one[name] === other[name]);
}

