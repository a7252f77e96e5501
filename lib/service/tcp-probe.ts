import { connect } from 'node:net'

/** Longest time an app may take to accept a connection, in milliseconds. */
const PROBE_TIMEOUT_MS = 1000

/** Whether something accepts TCP connections at an address: all that can be asked of an app of which nothing is known. */
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
