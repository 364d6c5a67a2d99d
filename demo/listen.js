// Where a server listens, by PORT and ADDRESS.
import { once } from 'node:events';

const PORT = 3000;

/** What the user has to mend, without a stack. */
export class Refusal extends Error {}

/** Where PORT, if there is one, wants the server: → { port, insist }. */
export function portFrom(text) {
  if (!text) return { port: PORT, insist: false };
  if (!/^\d{1,5}$/.test(text) || Number(text) < 1 || Number(text) > 65_535) {
    throw new Refusal(`PORT=${text} is no port: give a number from 1 to 65535`);
  }
  return { port: Number(text), insist: true };
}

/** Listens on that port, or on a free one if that is taken and needn't be it, of that address: → the URL. */
export async function listen(http, { port = 0, insist = false, host = '127.0.0.1' } = {}) {
  try {
    http.listen(port, host);
    await once(http, 'listening');
  } catch (error) {
    const taken = error.code === 'EADDRINUSE';
    if (insist || !taken) {
      throw new Refusal(`can't serve on port ${port}: ${taken ? 'it is taken' : error.message}. Give another one as PORT=…, or none`);
    }
    return listen(http, { host });
  }
  return `http://${host}:${http.address().port}`;
}
