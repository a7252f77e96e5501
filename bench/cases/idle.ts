import { type BenchCase, clientsOf, common } from './case.ts'

const WARM_CONNECTIONS = 50

export const idle: BenchCase = {
  name: 'idle',
  title: 'idle connection, bytes of memory',
  shape: 'proxy',
  needsProxy: true,
  figures: [
    { key: 'pssConnected', title: 'PSS, connected', compared: true },
    { key: 'pssEchoed', title: 'PSS, after an echo', compared: true },
    { key: 'rssConnected', title: 'RSS, connected', compared: false },
    { key: 'rssEchoed', title: 'RSS, after an echo', compared: false },
  ],
  job: (target, effort) => ({
    ...common(target, effort),
    kind: 'idle',
    clients: clientsOf(target.ports, effort.idleConnections),
    warm: WARM_CONNECTIONS,
    bytes: 128,
  }),
}
