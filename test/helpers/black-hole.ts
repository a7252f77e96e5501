import { once } from 'node:events'
import { connect } from 'node:net'
import { Worker } from 'node:worker_threads'
import type { Scope } from './stack.ts'

const BACKLOG = 1

// It takes no connection, so the kernel keeps as many as fit, and answers no further packet that would open one.
const LISTENER = `
  const { createServer } = require('node:net')
  const { parentPort } = require('node:worker_threads')
  const server = createServer().listen({ host: '127.0.0.1', port: 0, backlog: ${BACKLOG} }, () => {
    parentPort.postMessage(server.address().port)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })`

/** A port of 127.0.0.1 where connections neither come about nor are refused, as at a host that has vanished. */
export async function startBlackHole(t: Scope): Promise<number> {
  const worker = new Worker(LISTENER, { eval: true })
  t.teardown(() => worker.terminate())
  const [port] = (await once(worker, 'message')) as [number]
  for (let taken = 0; taken <= BACKLOG; taken++) {
    const socket = connect(port, '127.0.0.1')
    t.teardown(() => socket.destroy())
    await once(socket, 'connect')
  }
  return port
}
