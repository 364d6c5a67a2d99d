// Runs blocks of the documentation as a reader would: SQL by psql, which stops at the first error.
import assert from 'node:assert/strict';

/** Runs SQL in a database as a role, a superuser if none is given: → what psql prints, unaligned, and its notices. */
export async function runSql(cluster, sql, { database, user } = {}) {
  const { code, stdout, stderr } = await cluster.psql(sql, { database, user, args: ['--no-align', '--tuples-only', '--quiet'] });
  assert.equal(code, 0, `${sql}\n${stderr}`);
  return { stdout: stdout.trim(), stderr };
}

/** The statements of a block in which each ends its line, without the comments behind them. */
export function statementsOf(sql) {
  return sql.split(/;(?: *--.*)?$/m).map((statement) => statement.trim()).filter(Boolean);
}

/** The rows of the tables of a text whose header has as many cells: → lists of cells, without the header. */
export function tableRows(text, cells) {
  return [...text.matchAll(/^\|(.*)\|$/gm)]
    .map(([, line]) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()))
    .filter((row, i, rows) => row.length === cells && !/^:?-+:?$/.test(row[0]) && !/^:?-+:?$/.test(rows[i + 1]?.[0] ?? ''));
}
