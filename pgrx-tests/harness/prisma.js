// Prisma in an application's folder. Its engine for migrations is a program that it downloads from binaries.prisma.sh when it is first
// used. From 6.6 to 6.19, it can also be a WebAssembly module in its package, which reaches the database through a driver of JavaScript;
// Prisma 7 has only the program again. The tests use the module, so that they need no network.
import { until } from './wait.js';

/** A schema: `models` as Prisma's schema language has them. For a client of another type, Prisma wants the engine, whether it is made or not. */
export const schemaOf = (models) => `
generator client {
  provider   = "prisma-client-js"
  engineType = "client"
  output     = "../generated"
}
datasource db {
  provider = "postgresql"
  url      = env("DATABASE_URL")
}
${models}`;

/** `external`: the tables that Prisma is told to leave alone. */
export const configOf = ({ external } = {}) => `
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { defineConfig } from 'prisma/config';

// The catalogs' types "char" (18) and name (19), which the adapter doesn't know (prisma/orm#27403), are read as text.
class Client extends pg.Client {
  constructor(options) {
    super(options);
    this.connection.prependListener('rowDescription', ({ fields }) => {
      for (const field of fields) if ([18, 19].includes(field.dataTypeID)) field.dataTypeID = 25;
    });
  }

  // The engine takes the NOT NULL constraints that Postgres 18 has in its catalog for others, and dies (prisma/orm#29635).
  query(config, ...rest) {
    if (config.text) config.text = config.text.replace("contype NOT IN ('p', 'u', 'f')", "contype IN ('c', 'x')");
    return super.query(config, ...rest);
  }
}

// The engine has its timeouts run on when what they are for has ended: for up to a minute, in which the command would not end.
const { setTimeout } = globalThis;
globalThis.setTimeout = (work, ms, ...rest) => {
  const timer = setTimeout(work, ms, ...rest);
  if (ms >= 10_000) timer.unref();
  return timer;
};

const url = new URL(process.env.DATABASE_URL);
const options = {
  host: url.hostname, port: Number(url.port), user: url.username, database: url.pathname.slice(1), Client,
  allowExitOnIdle: true, // or each command waits for its idle connections
};

// The adapter's own drops the database before it has closed its connections.
class Adapter extends PrismaPg {
  async connectToShadowDb() {
    const database = \`prisma_migrate_shadow_db_\${crypto.randomUUID()}\`;
    const main = await this.connect();
    await main.executeScript(\`CREATE DATABASE "\${database}"\`);
    const shadow = await new PrismaPg({ ...options, database }).connect();
    const close = shadow.dispose.bind(shadow);
    shadow.dispose = async () => {
      await close();
      await main.executeScript(\`DROP DATABASE "\${database}"\`);
      await main.dispose();
    };
    return shadow;
  }
}

export default defineConfig({
  engine: 'js',
  adapter: async () => new Adapter(options),
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  experimental: { adapter: true, externalTables: ${Boolean(external)} },
  ${external ? `tables: { external: ${JSON.stringify(external)} },` : ''}
});
`;

/** As migrations have it in their names. */
const second = () => Number(new Date().toISOString().replace(/\D/g, '').slice(0, 14));

export class Prisma {
  constructor(application, options) {
    this.application = application;
    application.write('prisma.config.ts', configOf(options));
  }

  model(models) {
    this.application.write('prisma/schema.prisma', schemaOf(models));
  }

  /** `prisma migrate dev`: what it makes of the schema's changes, as SQL; '' if there is none. */
  async develop(name, options) {
    const before = this.migrations();
    // Prisma names it by the clock. One that was written by hand may be of a second to come.
    await until('a later second', () => second() > this.#last());
    await this.application.run('prisma', ['migrate', 'dev', '--skip-generate', '--name', name], options);
    const [made, ...more] = this.migrations().filter((each) => !before.includes(each));
    if (more.length) throw new Error(`more than one migration: ${more}`);
    return made ? this.application.read(`prisma/migrations/${made}/migration.sql`) : '';
  }

  /** A migration written by hand, which comes last. */
  writeMigration(name, sql) {
    // Behind the last one, which may be of the same second.
    this.application.write(`prisma/migrations/${Math.max(second(), this.#last() + 1)}_${name}/migration.sql`, sql);
  }

  /** The second that the last migration has in its name. */
  #last() {
    return Number(this.migrations().at(-1)?.slice(0, 14) ?? 0);
  }

  async deploy(options) {
    return this.application.run('prisma', ['migrate', 'deploy'], options);
  }

  /** That neither command would change anything. */
  async inSync(options) {
    const dev = await this.application.run('prisma', ['migrate', 'dev', '--skip-generate'], options);
    const push = await this.application.run('prisma', ['db', 'push', '--skip-generate'], options);
    return /Already in sync/.test(dev) && /already in sync/.test(push) ? true : `${dev}${push}`;
  }

  migrations() {
    try {
      return this.application.list('prisma/migrations').filter((name) => name !== 'migration_lock.toml');
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
      return [];
    }
  }
}
