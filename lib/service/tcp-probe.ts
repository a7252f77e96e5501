import { connect } from 'node:net'

/** Longest time for an app to accept a connection, in milliseconds. */
const PROBE_TIMEOUT_MS = 1000

/** Whether an address accepts TCP connections: the only possible check of an unknown app. */
export function accepts(host: string, port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host, port, timeout: PROBE_TIMEOUT_MS })
    const answer = (result: boolean) => {
      socket.destroy()
      resolve(result)
    }
    socket.once('connect', () => answer(true))
    socket.once('timeout', () => answer(false))
    socket.once('error', () => answer(false))
  })
}
