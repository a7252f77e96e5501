import { type BenchCase, clientsOf, common, RATES } from './case.ts'

const AT_ONCE = 32

export const handshakes: BenchCase = {
  name: 'handshakes',
  title: `handshakes (connect, upgrade, one echo, close), ${AT_ONCE} at a time`,
  shape: 'proxy',
  figures: RATES,
  job: (target, effort) => ({
    ...common(target, effort),
    kind: 'handshakes',
    clients: clientsOf(target.ports, AT_ONCE),
    bytes: 128,
  }),
}
