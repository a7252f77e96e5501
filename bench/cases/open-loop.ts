import { type BenchCase, clientsOf, common, RATES } from './case.ts'

const CONNECTIONS = 500
const PER_SECOND = 5000

export const openLoop: BenchCase = {
  name: 'open-loop',
  title: `open loop, ${PER_SECOND.toLocaleString('en-US')} messages a second of 128 B over ${CONNECTIONS} connections`,
  shape: 'proxy',
  figures: [
    { key: 'p50', title: 'p50, µs', compared: true },
    { key: 'p99', title: 'p99, µs', compared: true },
    { key: 'calmShare', title: 'calm share of the time', compared: false },
    ...RATES.map(figure => ({ ...figure, compared: false })),
  ],
  job: (target, effort) => ({
    ...common(target, effort),
    kind: 'open',
    clients: clientsOf(target.ports, CONNECTIONS),
    perSecond: PER_SECOND,
    bytes: 128,
  }),
}
