// The demo as its visitors see it: with a Postgres of its own, in a headless Chromium.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { chromium } from 'playwright-core';
import { startShow } from '../../demo/show/start.js';
import { createOrders, POSTGRES_CONF, psql, untilListening } from './demo.js';
import { startPostgres } from './postgres.js';
import { fromRoot } from './setup.js';
import { until } from './wait.js';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const ARGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

/** Three screens: a phone, a tablet, a desktop. */
export const VIEWS = {
  phone: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
  tablet: { viewport: { width: 820, height: 1180 }, hasTouch: true },
  desktop: { viewport: { width: 1280, height: 800 } },
};

/** What a customer received, as the page says it. */
export const NOTHING = ['nothing'];
export const one = (event) => [`${event} 1 event, 1 row`];

/** A photo of the demo: its bytes. */
export const bytesOf = (photo) => readFileSync(fromRoot('demo/photos', `${photo}.png`));

/** The demo with its page open: `conf` are settings of its Postgres. */
export async function openDemo({ name, conf = POSTGRES_CONF, view = { ...VIEWS.desktop, colorScheme: 'light' } }) {
  const demo = new Demo();
  try {
    demo.postgres = await startPostgres({ name, conf });
    await createOrders(demo.postgres);
    demo.show = await startShow(demo.postgres.url());
    await untilListening(demo.postgres, { servers: 2 });
    demo.browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS });
    await demo.look(view);
  } catch (error) {
    await demo.close();
    throw error;
  }
  return demo;
}

class Demo {
  /** What the browser complained of. */
  errors = [];
  #asking = new Set();

  async close() {
    await this.browser?.close();
    await this.show?.close();
    await this.postgres?.stop();
  }

  /** Opens the page on a screen. */
  async look(view) {
    await this.page?.context().close();
    this.#asking.clear();
    const context = await this.browser.newContext(view);
    this.page = await context.newPage();
    this.page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.errors.push(message.text());
    });
    this.page.on('request', (request) => request.resourceType() === 'fetch' && this.#asking.add(request));
    for (const end of ['requestfinished', 'requestfailed']) this.page.on(end, (request) => this.#asking.delete(request));
    this.page.on('pageerror', (error) => this.errors.push(error.stack));
    await this.page.goto(this.show.url);
    await this.live();
  }

  /** Waits until both customers are connected, and their lists are drawn, which follows in the next frame. */
  async live() {
    for (const customer of [1, 2]) await this.page.locator(`#customer-${customer} [data-connection=live]`).waitFor();
    await this.page.locator('#servers .server').nth(1).waitFor();
    await this.drawn();
  }

  async psql(sql) {
    await psql(this.postgres, sql);
  }

  async click(name) {
    await this.page.getByRole('button', { name, exact: true }).click();
  }

  /** Until the page has the answers to what it has asked. It logs an error for what is under way when it is left. */
  async answered() {
    const turn = () => this.page.evaluate(() => new Promise((resolve) => { setTimeout(resolve); }));
    await turn();
    await until('the page has its answers', () => this.#asking.size === 0);
    await turn();
  }

  /** Types that and runs it. */
  async type(sql) {
    await this.page.getByLabel('SQL', { exact: true }).fill(sql);
    await this.click('Run');
  }

  /** The newest orders that each customer sees: [item, quantity, status], newest first. */
  lists() {
    return this.page.evaluate(() => [1, 2].map((customer) => (
      [...document.querySelectorAll(`#customer-${customer} .orders li:not([inert])`)]
        .map((order) => ['item', 'quantity', 'status'].map((name) => order.querySelector(`.${name}`).textContent.replace('× ', '')))
    )));
  }

  /** Waits until what has arrived is drawn. */
  async drawn() {
    await until('the lists are drawn', async () => (await this.page.locator('.customer[aria-busy=true]').count()) === 0);
  }

  /** How many others each customer has. */
  others() {
    return this.page.evaluate(() => [1, 2].map((customer) => document.querySelectorAll(`#customer-${customer} .dots i`).length));
  }

  /** What is shown of the transactions, newest first: { sql, outcome, received, took }, the last two for each customer. */
  transactions() {
    return this.page.evaluate(() => [...document.querySelectorAll('#transactions > li')].map((transaction) => {
      const lines = [...transaction.querySelectorAll('dl > div')];
      return {
        sql: transaction.querySelector('pre').textContent,
        outcome: [...transaction.querySelectorAll('.outcome > *')].map((part) => part.textContent),
        received: lines.map((line) => {
          const [what] = line.querySelectorAll('dd');
          return what.children.length === 0 ? [what.textContent] : [...what.children].map((event) => event.textContent);
        }),
        took: lines.map((line) => line.querySelector('.took')?.textContent ?? ''),
      };
    }));
  }

  /** Waits until the transaction with that SQL shows so much received: without bytes, which tests of their own concern. → it */
  async received(sql, expected) {
    let found;
    const isThere = async () => {
      found = (await this.transactions()).find((transaction) => transaction.sql === sql);
      return isDeepStrictEqual(found?.received.map((events) => events.map(withoutBytes)), expected);
    };
    try {
      await until(`the customers got what ${sql} caused`, isThere);
    } catch {
      assert.deepEqual(found?.received.map((events) => events.map(withoutBytes)), expected, sql);
    }
    return found;
  }

  /** Waits for the photo of an order: → its width in pixels. */
  async photo(customer, item) {
    const image = this.page.locator(`#customer-${customer} li:not([inert]):has-text("${item}") img`).first();
    await image.waitFor();
    return image.evaluate(async (element) => {
      await element.decode();
      return element.naturalWidth;
    });
  }
}

const withoutBytes = (text) => text.replace(/, [\d,.]+ (kB|bytes?)$/, '');
