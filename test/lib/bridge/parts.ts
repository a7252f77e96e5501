import { Bridge, type BridgeEnd, type BridgeOptions, type Extras } from '../../../lib/bridge/bridge.ts'
import { BridgePipes } from '../../../lib/bridge/bridge-pipes.ts'
import { FlowControl } from '../../../lib/bridge/flow-control.ts'
import { Lifecycle } from '../../../lib/bridge/lifecycle.ts'
import { MemoryUse } from '../../../lib/bridge/memory-use.ts'
import type { PipeListener } from '../../../lib/bridge/pipe/pipe.ts'
import type { Side } from '../../../lib/bridge/socket/socket-handler.ts'
import { Traffic } from '../../../lib/bridge/traffic.ts'
import { type SocketPair, socketPair } from '../../helpers/socket-pair.ts'
import type { Scope } from '../../helpers/stack.ts'

/** The memory of a process, as a test sets it. */
export function memoryOf({ queueLimit = 262_144, tight = false, isFull = false } = {}) {
  const add = (what: 'queuedBytes' | 'messageBytes' | 'passedBytes') => (bytes: number) => {
    memory[what] += bytes
  }
  const memory = {
    queueLimit,
    tight,
    isFull,
    /** Bytes that connections have reported. */
    queuedBytes: 0,
    messageBytes: 0,
    passedBytes: 0,
    queues: { change: add('queuedBytes') },
    messages: { change: add('messageBytes') },
    passed: add('passedBytes'),
  }
  return memory
}

/** A listener that lets everything pass. */
export const passingListener = (): PipeListener => ({
  onCloseFrame: () => true,
  onControl() {},
  onPong() {},
  onStopped() {},
  onTooBig() {},
  takes: () => false,
  onAddressed() {},
  onUnparsed() {},
  onNoRoom() {},
})

/** The connections to a client and to an app, each with its peer's end in the test. */
export async function sides(t: Scope): Promise<{ client: SocketPair; app: SocketPair }> {
  const [client, app] = await Promise.all([socketPair(t), socketPair(t)])
  return { client, app }
}

/** The parts of a bridge below its surface; a part under test joins them. */
export async function startParts(t: Scope, memory = memoryOf()) {
  const { client, app } = await sides(t)
  const clock = { now: 0 }
  const listener = passingListener()
  const pipes = new BridgePipes(client.ours, app.ours, listener, { maxMessageBytes: 1 << 20 }, undefined)
  const [flow, life, use] = [new FlowControl(clock), new Lifecycle(clock), new MemoryUse(memory)]
  const traffic = new Traffic(pipes, flow, life, memory, use)
  return { client, app, clock, listener, memory, pipes, flow, life, use, traffic }
}

/** How a connection begins; nothing has been sent by default. */
interface Opening {
  readonly early?: Readonly<Record<Side, Buffer>>
  readonly answer?: Buffer
  readonly extras?: Extras
  /** Whether bytes pass before the test starts the bridge. */
  readonly isStarted?: boolean
}

const OFF = { client: 0, upstream: 0 }

/** A whole bridge whose clock moves when the test says so. */
export async function startBridge(t: Scope, given: Partial<BridgeOptions> = {}, opening: Opening = {}) {
  const { client, app } = await sides(t)
  const clock = { now: 0 }
  const memory = memoryOf()
  const ends: BridgeEnd[] = []
  const options: BridgeOptions = {
    maxQueueBytes: 262_144,
    memory,
    maxMessageBytes: 1 << 20,
    clock,
    pingAfter: OFF,
    idleAfter: OFF,
    slowAfter: 0,
    onClosed: (_bridge, end) => void ends.push(end),
    ...given,
  }
  const nothing = Buffer.alloc(0)
  const { early = { client: nothing, upstream: nothing }, answer = nothing, extras, isStarted = true } = opening
  const bridge = new Bridge(client.ours, app.ours, early, answer, options, 'context', extras)
  if (isStarted) bridge.start()
  t.teardown(() => bridge.terminate())
  return {
    bridge,
    client,
    app,
    clock,
    memory,
    ends,
    /** Lets seconds pass. */
    sweep(steps: number): void {
      for (let n = 0; n < steps; n++) {
        clock.now++
        bridge.sweep()
      }
    },
  }
}
