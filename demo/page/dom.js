// Small ones that all parts of the page use. What arrives is data: it becomes text, never HTML.

const KEYWORDS = 'SELECT|INSERT|INTO|VALUES|UPDATE|SET|DELETE|FROM|WHERE|AND|OR|NOT|IN|IS|NULL|RETURNING|BEGIN|COMMIT|ROLLBACK|ORDER|BY|LIMIT';

export const find = (selector) => document.querySelector(selector);

export function clone(template) {
  return document.getElementById(template).content.firstElementChild.cloneNode(true);
}

/** An element with that class, or none if it is ''. */
export function create(name, className, ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

export async function animate(element, keyframes, duration) {
  if (matchMedia('(prefers-reduced-motion: reduce)').matches) return;
  // Rejects if something ends it, such as its element's removal.
  await element.animate(keyframes, { duration, easing: 'ease-out' }).finished.catch(() => {});
}

export function quantity(count, unit) {
  return `${count.toLocaleString('en')} ${unit}${count === 1 ? '' : 's'}`;
}

/** Bytes as a reader wants them: 148 bytes, 92 kB. */
export function size(bytes) {
  return bytes < 1_000 ? quantity(bytes, 'byte') : `${(bytes / 1000).toLocaleString('en', { maximumFractionDigits: bytes < 10_000 ? 1 : 0 })} kB`;
}

export function milliseconds(value) {
  return `${value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en')} ms`;
}

/** The SQL as nodes: strings and keywords in elements of their own. */
export function highlighted(sql) {
  return sql.split(new RegExp(`('(?:[^']|'')*'|\\b(?:${KEYWORDS})\\b)`, 'i')).map((text, i) => {
    if (i % 2 === 0) return text;
    return create(text.startsWith("'") ? 'q' : 'b', '', text);
  });
}

/** Asks the show: → what it answers. */
export async function ask(what, body) {
  const options = body && { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(`/show/${what}`, options);
  if (!response.ok) throw new Error(`${what}: ${response.status}`);
  return response.json();
}

// One message at a time, and not more than one in two seconds: a screen reader would come to nothing else.
let announcing;
let latest = '';

export function announce(text) {
  latest = text;
  announcing ??= setTimeout(() => {
    announcing = undefined;
    find('#announcement').textContent = latest;
  }, 2_000);
}
