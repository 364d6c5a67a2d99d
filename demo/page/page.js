// Two customers, each with a connection of its own as in two browsers, and the SQL that was run. What arrives is data:
// it becomes text, never HTML.
/* global io */
import { follow } from './follow.js';

const STATEMENTS = 100; // shown at most
const FLASHING = 100; // rows of an event at most: thousands of animations would stall the browser
const KEYWORDS = 'SELECT|INSERT|INTO|VALUES|UPDATE|SET|DELETE|FROM|WHERE|AND|OR|NOT|IN|IS|NULL|RETURNING';

// ---- a customer ----

class Customer {
  #elements = new Map(); // by the order's id
  #photos = new Map(); // their URLs, by the order's id
  #late = []; // photos that came while the list was fetched

  constructor(number, terminal) {
    const section = clone('customer');
    section.id = `customer-${number}`;
    section.querySelector('.name').textContent = `Customer ${number}`;
    section.querySelector('.room').textContent = `customer:${number}`;
    this.connection = section.querySelector('.connection');
    this.list = section.querySelector('.orders');
    this.url = `/customers/${number}/orders`;
    document.querySelector('main').append(section);

    // forceNew, or both would share one connection.
    const socket = io({ forceNew: true, auth: { customer: number, sql: true } });
    socket.on('sql', ({ id, sql }) => {
      this.list.querySelectorAll('.changed').forEach((element) => element.classList.remove('changed'));
      terminal.begin(number, id, sql);
    });
    for (const event of ['order:insert', 'order:update', 'order:delete', 'order:left', 'order:photo']) {
      socket.on(event, (argument) => terminal.received(number, event, argument));
    }

    // The list that Postgres has, whatever is lost, late or overtaken.
    const orders = follow(socket, {
      events: 'order',
      fetch: () => socket.timeout(10_000).emitWithAck('orders:list'),
    });
    orders.on('change', ({ reset, set, removed }) => {
      if (reset) this.#fill(set);
      else {
        const options = { flash: set.length + removed.length <= FLASHING };
        for (const order of removed) this.#remove(order, options);
        for (const order of set) this.#change(order, options);
      }
    });
    orders.on('state', (state) => this.#show(state));
    this.#show(orders.state);
    socket.on('order:photo', (photo) => {
      if (orders.state === 'live') this.#setPhoto(photo.id, photo.photo);
      else this.#late.push(photo);
    });
  }

  // Photos aren't in the list. Those that came meanwhile are newer than what is fetched now.
  async #fill(orders) {
    for (const id of this.#photos.keys()) this.#setPhoto(id);
    this.#elements.clear();
    this.list.replaceChildren();
    for (const order of orders) this.#put(order);
    for (const { id, photo } of this.#late.splice(0)) this.#setPhoto(id, photo);
    for (const { id } of orders.filter((order) => order.has_photo)) {
      const element = this.#elements.get(id);
      const photo = this.#photos.has(id) ? undefined : await fetched(`${this.url}/${id}/photo`, 'blob').catch(() => undefined);
      if (this.#elements.get(id) === element && photo && !this.#photos.has(id)) this.#setPhoto(id, photo);
    }
  }

  #change(order, { flash }) {
    const isNew = !this.#elements.has(order.id);
    const element = this.#put(order);
    element.classList.add('changed');
    if (!flash) return;
    animate(element, [{ backgroundColor: 'var(--flash)' }, {}], 1500);
    if (isNew) animate(element, [{ opacity: 0, transform: 'translateY(-0.5rem)' }, {}], 250);
  }

  #put(order) {
    const element = this.#elements.get(order.id) ?? this.#insert(order.id);
    for (const name of ['item', 'quantity', 'status', 'id']) {
      element.querySelector(`.${name}`).textContent = order[name];
    }
    element.dataset.status = order.status;
    if (!order.has_photo) this.#setPhoto(order.id);
    this.#showPhoto(order.id);
    return element;
  }

  // Newest first.
  #insert(id) {
    const element = clone('order');
    element.dataset.id = id;
    this.#elements.set(id, element);
    let next = this.list.firstElementChild;
    while (next && Number(next.dataset.id) > id) next = next.nextElementSibling;
    this.list.insertBefore(element, next);
    return element;
  }

  async #remove({ id }, { flash }) {
    this.#setPhoto(id);
    const element = this.#elements.get(id);
    if (!element) return;
    this.#elements.delete(id);
    element.inert = true;
    if (flash) await animate(element, [{}, { opacity: 0, transform: 'translateX(1rem)', background: 'var(--gone)' }], 400);
    element.remove();
  }

  // Bytes as they came: the browser tells images apart by how they begin. A photo may arrive before its order, as
  // binary takes another way.
  #setPhoto(id, bytes) {
    if (this.#photos.has(id)) URL.revokeObjectURL(this.#photos.get(id));
    if (bytes) this.#photos.set(id, URL.createObjectURL(new Blob([bytes])));
    else this.#photos.delete(id);
    this.#showPhoto(id);
  }

  #showPhoto(id) {
    const place = this.#elements.get(id)?.querySelector('.photo');
    const src = this.#photos.get(id);
    if (!place || place.firstChild?.src === src) return;
    place.replaceChildren();
    if (src) place.append(Object.assign(new Image(), { src, alt: '' }));
  }

  #show(connection) {
    this.connection.textContent = connection;
    this.connection.dataset.connection = connection;
  }
}

// ---- the SQL that was run ----

// Each connection tells of a statement before it brings that statement's events: those that follow are counted to it.
// (Binary and long messages take another way. If the next statement comes at once, it may get theirs.)
class Terminal {
  #list = document.querySelector('#statements');
  #statements = new Map(); // by id: the element
  #counts = new Map(); // by customer: of its latest statement

  begin(customer, id, sql) {
    let element = this.#statements.get(id);
    if (!element) {
      element = this.#add(sql);
      this.#statements.set(id, element);
      if (this.#statements.size > STATEMENTS) this.#drop(this.#statements.keys().next().value);
    }
    const line = element.querySelector(`[data-customer="${customer}"] dd`);
    if (this.#counts.get(customer)?.line !== line) this.#counts.set(customer, { line, events: new Map() });
  }

  received(customer, event, argument) {
    const counts = this.#counts.get(customer);
    if (!counts) return; // connected between a statement and its events
    const count = counts.events.get(event) ?? { events: 0, rows: 0, bytes: 0 };
    count.events += 1;
    if (Array.isArray(argument)) count.rows += argument.length;
    else count.bytes += argument.photo.byteLength;
    counts.events.set(event, count);
    counts.line.replaceChildren(...[...counts.events].map(([name, { events, rows, bytes }]) => {
      const size = bytes > 0 ? quantity(bytes, 'byte') : quantity(rows, 'row');
      return create('span', create('b', name), ` ${quantity(events, 'event')}, ${size}`);
    }));
    this.#list.scrollTop = this.#list.scrollHeight;
  }

  #add(sql) {
    const element = clone('statement');
    element.querySelector('pre').append(...highlighted(sql));
    for (const customer of CUSTOMERS) {
      const line = create('div', create('dt', `Customer ${customer}`), create('dd', 'nothing'));
      line.dataset.customer = customer;
      element.querySelector('dl').append(line);
    }
    this.#list.append(element);
    this.#list.scrollTop = this.#list.scrollHeight;
    return element;
  }

  #drop(id) {
    this.#statements.get(id).remove();
    this.#statements.delete(id);
  }
}

// ---- small ones ----

async function fetched(url, as) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response[as]();
}

function clone(template) {
  return document.getElementById(template).content.firstElementChild.cloneNode(true);
}

function create(name, ...children) {
  const element = document.createElement(name);
  element.append(...children);
  return element;
}

async function animate(element, keyframes, duration) {
  if (matchMedia('(prefers-reduced-motion: reduce)').matches) return;
  await element.animate(keyframes, { duration, easing: 'ease-out' }).finished;
}

function quantity(count, unit) {
  return `${count.toLocaleString('en')} ${unit}${count === 1 ? '' : 's'}`;
}

// The SQL as nodes: strings and keywords in elements of their own.
function highlighted(sql) {
  return sql.split(new RegExp(`('(?:[^']|'')*'|\\b(?:${KEYWORDS})\\b)`, 'i')).map((text, i) => {
    if (i % 2 === 0) return text;
    return create(text.startsWith("'") ? 'q' : 'b', text);
  });
}

// ---- the page ----

const CUSTOMERS = [1, 2];
const terminal = new Terminal();
for (const number of CUSTOMERS) new Customer(number, terminal);

const schema = await fetched('/schema.sql', 'text');
document.querySelector('#call').append(...highlighted(schema.match(/^SELECT sio_watch\([^;]*;/m)[0]));
