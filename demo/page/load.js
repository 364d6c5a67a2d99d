// The load, the switch between NOTIFY and the queue, and the plot of commits per second.
import { announce, ask, create, find, highlighted } from './dom.js';

const SAMPLES = 80; // shown: 20 seconds of them
const HEIGHT = 180;
const MARGIN = { left: 52, right: 8, top: 14, bottom: 8 };
const SVG = 'http://www.w3.org/2000/svg';
const NAMES = { notify: 'NOTIFY', queue: 'queue' };

export class LoadPanel {
  #samples = []; // { mode, rate, queued }, or null where a load ended
  #isRunning;
  #button = find('#load');

  constructor() {
    this.#button.addEventListener('click', () => ask('load', { action: this.#isRunning ? 'stop' : 'start' }).catch(console.error));
    for (const input of document.querySelectorAll('#delivery input')) {
      input.addEventListener('change', () => ask('delivery', { mode: input.value }).catch(console.error));
    }
    new ResizeObserver(() => this.#draw()).observe(find('#plot'));
  }

  show({ delivery: { mode, why }, load: { isRunning, flush, error } }) {
    for (const input of document.querySelectorAll('#delivery input')) {
      input.checked = input.value === mode;
      if (input.value === 'queue') input.disabled = Boolean(why);
    }
    const told = find('#delivery-why');
    find('#load-sql').replaceChildren(...highlighted(`SET socketio_emitter.delivery = '${mode}';\nUPDATE show.load SET count = count + 1 WHERE id = 1;`));
    const waits = flushed(flush);
    told.textContent = error ? `The load ended: ${error}.` : why ?? waits;
    told.hidden = told.textContent === '';
    this.#button.textContent = isRunning ? 'Stop the load' : 'Start 20 s of load';
    if (this.#isRunning && !isRunning) {
      this.#samples.push(null);
      announce(this.#told());
    }
    this.#isRunning = isRunning;
    this.#draw();
  }

  sample(sample) {
    this.#samples.push(sample);
    this.#samples = this.#samples.slice(-SAMPLES);
    this.#draw();
  }

  /** Commits per second in each mode, over what is shown: [mode, rate][]. */
  #rates() {
    return Object.keys(NAMES).flatMap((mode) => {
      // Where it changes, a sample has some of both.
      const rates = this.#samples.filter((sample, i) => sample?.mode === mode && this.#samples[i - 1]?.mode === mode).map(({ rate }) => rate);
      return rates.length > 0 ? [[mode, rates.reduce((sum, rate) => sum + rate, 0) / rates.length]] : [];
    });
  }

  #told() {
    const rates = this.#rates();
    const told = rates.map(([mode, rate]) => `${NAMES[mode]} ${Math.round(rate).toLocaleString('en')}`);
    const [notify, queue] = rates.map(([, rate]) => rate);
    const ratio = rates.length === 2 && notify > 0 ? `; the queue ${(queue / notify).toFixed(1)} times as many` : '';
    return told.length > 0 ? `Commits per second: ${told.join(', ')}${ratio}` : 'Commits per second: no load yet';
  }

  #draw() {
    const plot = find('#plot');
    const width = Math.max(200, plot.clientWidth);
    plot.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    plot.setAttribute('aria-label', this.#told());
    const top = nice(Math.max(100, ...this.#samples.map((sample) => sample?.rate ?? 0)));
    const x = (i) => MARGIN.left + (i * (width - MARGIN.left - MARGIN.right)) / (SAMPLES - 1);
    const y = (rate) => HEIGHT - MARGIN.bottom - (rate / top) * (HEIGHT - MARGIN.top - MARGIN.bottom);
    const parts = [0, top / 2, top].flatMap((rate) => [
      shape('line', { class: 'grid', x1: MARGIN.left, x2: width - MARGIN.right, y1: y(rate), y2: y(rate) }),
      shape('text', { class: 'axis', x: MARGIN.left - 8, y: y(rate) + 4 }, rate.toLocaleString('en')),
    ]);
    this.#samples.forEach((sample, i) => {
      const before = this.#samples[i - 1];
      if (!sample || !before) return;
      parts.push(shape('line', { class: sample.mode, x1: x(i - 1), y1: y(before.rate), x2: x(i), y2: y(sample.rate) }));
    });
    plot.replaceChildren(...parts);
    this.#drawRates();
  }

  #drawRates() {
    const rates = this.#rates();
    const parts = rates.map(([mode, rate]) => create('span', mode, `${NAMES[mode]} `, create('b', '', Math.round(rate).toLocaleString('en')), ' commits/s'));
    const [notify, queue] = rates.map(([, rate]) => rate);
    if (rates.length === 2 && notify > 0) parts.push(create('strong', '', `${(queue / notify).toFixed(1)} ×`));
    const queued = this.#samples.at(-1)?.queued;
    if (queued > 0) parts.push(create('span', '', `${queued.toLocaleString('en')} waiting`));
    find('#rates').replaceChildren(...(parts.length > 0 ? parts : ['Commits per second. Start the load, then switch while it runs.']));
  }
}

// How much the queue gains depends on what a commit waits for.
function flushed(flush) {
  if (!flush) return '';
  if (!flush.fsync) return 'Here fsync is off: no commit waits for a disk, so NOTIFY costs little.';
  return flush.delay > 0 ? `Here Postgres waits ${flush.delay} ms at each flush (commit_delay), as a disk in a network would have it.` : '';
}

function shape(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}

// A round number, at least that.
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((factor) => factor * power).find((each) => each >= value);
}
