// What not every Postgres, or not every machine, has. Tests that need it are skipped where it is missing: by name, with the reason, and
// counted.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { monitoringProgram } from './monitoring.js';
import { PG_CONFIG } from './setup.js';

/** For the option `skip` of a test: false, or why it can't run here. Names of extensions and modules, or `xml`. */
export function lacks(...names) {
  const missing = names.filter((name) => !isThere(name));
  return missing.length > 0 && `this Postgres lacks ${missing.join(', ')}`;
}

/** The Ruby that Debian's packages of gems are for. */
export const RUBY = '/usr/bin/ruby';

/** The same for its gems. */
export function lacksGems(...names) {
  const { status } = spawnSync(RUBY, ['-e', names.map((name) => `gem '${name}'`).join(';')], { stdio: 'ignore' });
  return status !== 0 && `this machine has no ${RUBY} with ${names.join(', ')}`;
}

/** The same of programs of Prometheus's, which scripts/setup gets where the release has packages of them. */
export function lacksPrograms(...names) {
  const missing = names.filter((name) => !monitoringProgram(name));
  return missing.length > 0 && `this machine lacks ${missing.join(', ')}`;
}

function isThere(name) {
  if (name === 'xml') return ask('configure').includes('--with-libxml');
  return existsSync(path.join(ask('sharedir'), 'extension', `${name}.control`)) || existsSync(path.join(ask('pkglibdir'), `${name}.so`));
}

function ask(what) {
  return execFileSync(PG_CONFIG, [`--${what}`], { encoding: 'utf8' }).trim();
}
