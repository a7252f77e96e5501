import { type BenchCase, clientsOf, common, RATES } from './case.ts'

const CONNECTIONS = 200

const size = (bytes: number) => (bytes === 4096 ? '4 KiB' : `${bytes} B`)

/** Messages that name nobody. */
const echo = (inFlight: number, bytes: number): BenchCase => ({
  name: `echo-${inFlight}x${bytes}`,
  title: `messages, ${inFlight} in flight × ${CONNECTIONS} connections, ${size(bytes)}`,
  shape: 'proxy',
  figures: RATES,
  job: (target, effort) => ({
    ...common(target, effort),
    kind: 'closed',
    clients: clientsOf(target.ports, CONNECTIONS),
    inFlight,
    bytes,
  }),
})

/** Messages that name their own sender. */
const toSelf = (inFlight: number, bytes: number): BenchCase => ({
  name: `self-${inFlight}x${bytes}`,
  title: `messages to their own sender, ${inFlight} in flight × ${CONNECTIONS} connections, ${size(bytes)}`,
  shape: 'proxy',
  figures: RATES,
  reference: `echo-${inFlight}x${bytes}`,
  job: (target, effort) => ({
    ...common(target, effort),
    kind: 'closed',
    clients: clientsOf(target.ports, CONNECTIONS).map((client, index) => ({ ...client, to: index })),
    inFlight,
    bytes,
  }),
})

export const ECHOES: readonly BenchCase[] = [
  echo(1, 128),
  echo(16, 128),
  echo(1, 4096),
  echo(16, 4096),
  toSelf(16, 128),
  toSelf(16, 4096),
]
