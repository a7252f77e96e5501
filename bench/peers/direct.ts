import type { Peer } from './peer.ts'

/** No proxy at all: what the load generator and the apps can do at most. */
export const direct: Peer = {
  name: 'direct',
  title: 'direct',
  shape: 'proxy',
  about: () => 'no proxy: clients connect to the apps, half of them to each',
  start: async ({ apps }) => ({ children: [], ports: apps }),
}
