// What `scripts/setup` decided on this machine.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's root. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** The path of a file of the project, from the root. */
export const fromRoot = (...parts) => path.join(ROOT, ...parts);

const file = path.join(process.env.HARNESS_WORK ?? fromRoot('.work'), 'env');
if (!existsSync(file)) throw new Error(`${file} is missing: run scripts/setup first`);
const settings = Object.fromEntries(
  [...readFileSync(file, 'utf8').matchAll(/^(\w+)='(.*)'$/gm)].map(([, name, value]) => [name, value]),
);

/** pg_config of the private Postgres, and the folder its programs are in. */
export const PG_CONFIG = setting('PRIVATE_PG_CONFIG');
export const PG_BIN = path.dirname(PG_CONFIG);
export const PG_MAJOR = Number(setting('PG_MAJOR'));

/** Where servers keep their files. Outside the project when the user they run as can't enter it (a clone in /root). */
export const SERVER_WORK = setting('SERVER_WORK');

function setting(name) {
  if (!settings[name]) throw new Error(`${file} lacks ${name}: run scripts/setup again`);
  return settings[name];
}
