// What the page asks of the show, as JSON; and what it is told, as server-sent events.
const MOST_BYTES = 100_000; // of a request
const TICK = 1_000; // milliseconds between looks at what comes back when

export class Control {
  #pool;
  #servers;
  #delivery;
  #visitor;
  #load;
  #pages = new Set(); // the responses that tell them
  #timer;

  constructor({ pool, servers, delivery, visitor, load }) {
    this.#pool = pool;
    this.#servers = servers;
    this.#delivery = delivery;
    this.#visitor = visitor;
    this.#load = load;
    servers.on('change', () => this.#tellState());
    load.on('change', () => this.#tellState());
    load.on('sample', (sample) => this.#tell('sample', sample));
    this.#timer = setInterval(() => {
      if (servers.states.some(({ backIn }) => backIn !== null)) this.#tellState();
    }, TICK);
  }

  close() {
    clearInterval(this.#timer);
    for (const page of this.#pages) page.end();
  }

  async answer(path, request, response) {
    if (path === '/show/events' && request.method === 'GET') return this.#follow(response);
    if (path === '/show/clock' && request.method === 'GET') return send(response, 200, await this.#clock());
    const actions = {
      '/show/run': ({ sql, run }) => this.#visitor.run(sql, /^\w{1,32}$/.test(run) ? run : ''),
      '/show/servers': ({ name, action }) => this.#stopOrStart(name, action),
      '/show/delivery': async ({ mode }) => {
        await this.#delivery.choose(mode);
        this.#tellState();
      },
      '/show/load': ({ action }) => {
        if (action === 'start') this.#load.start();
        if (action === 'stop') this.#load.stop();
      },
    };
    const action = Object.hasOwn(actions, path) ? actions[path] : undefined;
    if (!action || request.method !== 'POST') return send(response, 404, { error: 'there is no such thing' });
    if (!isOurs(request)) return send(response, 403, { error: 'only the page may ask that' });
    let body;
    try {
      body = JSON.parse(await textOf(request));
    } catch (error) {
      return send(response, 400, { error: error.message });
    }
    send(response, 200, (await action(body ?? {})) ?? {});
  }

  // Postgres's: by that the page knows when a commit was.
  async #clock() {
    const { rows: [{ now }] } = await this.#pool.query('SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now');
    return { now };
  }

  #stopOrStart(name, action) {
    if (action === 'stop') this.#servers.stopOne(name);
    if (action === 'start') this.#servers.startOne(name);
  }

  #follow(response) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    this.#pages.add(response);
    response.on('close', () => {
      this.#pages.delete(response);
      if (this.#pages.size === 0) this.#load.stop(); // nobody watches it
    });
    this.#tell('state', this.#state, [response]);
  }

  get #state() {
    return {
      servers: this.#servers.states,
      delivery: { mode: this.#delivery.mode, why: this.#delivery.why },
      visitor: { why: this.#visitor.why },
      load: { isRunning: this.#load.isRunning, flush: this.#load.flush, error: this.#load.error },
    };
  }

  #tellState() {
    this.#tell('state', this.#state);
  }

  #tell(event, data, pages = this.#pages) {
    for (const page of pages) page.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }
}

// Another site's page can't send JSON here without being asked first, and nothing here answers that.
function isOurs({ headers }) {
  const isSame = !headers.origin || headers.origin.replace(/^https?:\/\//, '') === headers.host;
  return isSame && /^application\/json\b/.test(headers['content-type'] ?? '');
}

// Reads what is too long to its end, too: who sends it then gets an answer.
async function textOf(request) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length <= MOST_BYTES) chunks.push(chunk);
  }
  if (length > MOST_BYTES) throw new Error(`more than ${MOST_BYTES} bytes`);
  return Buffer.concat(chunks).toString();
}

function send(response, status, body) {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }).end(JSON.stringify(body));
}
