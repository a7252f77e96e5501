import { type BenchCase, clientsOf, common, RATES } from './case.ts'

const CONNECTIONS = 200

const echo = (inFlight: number, bytes: number): BenchCase => ({
  name: `echo-${inFlight}x${bytes}`,
  title: `messages, ${inFlight} in flight × ${CONNECTIONS} connections, ${bytes === 4096 ? '4 KiB' : `${bytes} B`}`,
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

export const ECHOES: readonly BenchCase[] = [echo(1, 128), echo(16, 128), echo(1, 4096), echo(16, 4096)]
