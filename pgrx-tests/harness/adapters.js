// Every release of @socket.io/postgres-adapter, installed side by side under aliases (package.json).

export const ADAPTERS = ['0.1.0', '0.1.1', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '0.5.0'];
export const LATEST = ADAPTERS.at(-1);

/** The module of one release: { createAdapter, setupPrimary (from 0.5.0 on) }. */
export async function loadAdapter(version) {
  if (!ADAPTERS.includes(version)) throw new Error(`no adapter ${version}: there are ${ADAPTERS.join(', ')}`);
  const { default: adapter } = await import(`adapter-${version}`);
  return adapter;
}

/** Up to 0.2.0, each namespace listens on a connection of its own; later, all of a server share one. */
export function listeningConnections(version, namespaces) {
  return version <= '0.2.0' ? namespaces : 1;
}
