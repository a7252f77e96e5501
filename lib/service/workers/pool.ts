import cluster, { type Worker } from 'node:cluster'
import type { AddressInfo } from 'node:net'
import { Registry } from 'prom-client'
import type { Logger } from '../log/log.ts'
import type { Metrics } from '../metrics.ts'
import type { Served } from '../serve.ts'
import { type End, Peer } from './peer.ts'
import { restartDelayMs, STABLE_MS } from './restart.ts'
import { CHECK_MS, type Stall } from './stall.ts'
import { Totals } from './totals.ts'

interface Options {
  readonly count: number
  readonly log: Logger
  /** Metrics of the primary, including those of the pool. */
  readonly metrics: Metrics
  /** How often workers are asked for a sign of life, in milliseconds. */
  readonly checkMs?: number
}

/** Why a worker is replaced: it ended by itself, was killed for a stall, or its process could not be started. */
type Reason = 'ended' | Stall | 'not_started'

const REASONS: readonly Reason[] = ['ended', 'stopped', 'stuck', 'not_started']

/** Log message for a worker that is killed. */
const STALLS: Readonly<Record<Stall, string>> = {
  stopped: 'a worker stands still, it answers nothing and uses no CPU time: it is killed',
  stuck: 'a worker is busy and has answered nothing for long: it is killed',
}

/**
 * Workers that share a port, for the primary of a cluster. Connections are distributed round-robin
 * (docs/adr/0007-workers.md). A worker that ends is replaced; one that stands still, or is busy endlessly, is killed.
 */
export class WorkerPool implements Served {
  /** The sums over all workers, for the admin server. */
  readonly registry: Pick<Registry, 'contentType' | 'metrics'>
  readonly #options: Options
  readonly #peers = new Set<Peer>()
  readonly #totals = new Totals()
  readonly #started = Promise.withResolvers<AddressInfo>()
  readonly #restarts
  readonly #timers = new Set<NodeJS.Timeout>()
  #crashes = 0
  #running = false
  #stopping = false

  constructor(options: Options) {
    this.#options = options
    const { metrics } = options
    this.#restarts = metrics.counter(
      'worker_restarts_total',
      'Workers that were replaced, by reason: they ended by themselves, stopped answering, were busy without end, or could not be started.',
      { labelNames: ['reason'] },
    )
    for (const reason of REASONS) this.#restarts.inc({ reason }, 0)
    const peers = this.#peers
    metrics.gauge('workers', 'Running workers.', {
      collect() {
        this.set([...peers].filter(peer => peer.listening).length)
      },
    })
    this.registry = { contentType: Registry.PROMETHEUS_CONTENT_TYPE, metrics: () => this.#metrics() }
  }

  /** Resolves when all workers listen. @throws the error of the first worker that failed to start */
  async start(): Promise<AddressInfo> {
    const { count, checkMs = CHECK_MS } = this.#options
    cluster.schedulingPolicy = cluster.SCHED_RR
    // Workers notice the end of their primary and exit, except a stuck worker.
    process.on('exit', () => {
      for (const peer of this.#peers) peer.kill()
    })
    for (let i = 0; i < count; i++) this.#fork()
    const address = await this.#started.promise
    this.#running = true
    this.#timers.add(setInterval(() => this.#check(), checkMs))
    return address
  }

  /** Ready as soon as one worker is ready. */
  async notReady(): Promise<string | undefined> {
    if (!this.#running) return 'starting'
    const reasons = await Promise.all(
      [...this.#peers]
        .filter(({ listening }) => listening)
        .map(async peer => {
          const answer = await peer.ask('readiness')
          return answer ? answer.reason : `worker ${peer.id} does not answer`
        }),
    )
    if (reasons.includes(undefined)) return undefined
    return [...new Set(reasons)].sort().join('; ') || 'no worker runs'
  }

  /** @throws if a worker did not exit cleanly; the caller bounds the time */
  async stop(deadline: number): Promise<void> {
    this.#stopping = true
    for (const timer of this.#timers) clearTimeout(timer)
    for (const peer of this.#peers) peer.drain(deadline)
    const ends = await Promise.all(Array.from(this.#peers, async ({ id, ended }) => ({ id, ...(await ended) })))
    const bad = ends.find(({ code }) => code !== 0)
    if (bad) throw new Error(`worker ${bad.id} ended with ${bad.signal ?? bad.code} instead of draining`)
  }

  #fork(): void {
    let worker: Worker
    try {
      worker = cluster.fork()
    } catch (error) {
      this.#replace('not_started', error as Error)
      return
    }
    const peer = new Peer(worker)
    this.#peers.add(peer)
    worker.once('listening', ({ address, port, addressType }) => {
      peer.listening = true
      if ([...this.#peers].filter(({ listening }) => listening).length < this.#options.count) return
      this.#started.resolve({ address, port, family: addressType === 6 ? 'IPv6' : 'IPv4' })
    })
    void peer.ended.then(end => this.#ended(peer, end))
  }

  #ended(peer: Peer, { code, signal, failure, stall }: End): void {
    this.#peers.delete(peer)
    this.#totals.retire(peer.id)
    if (this.#stopping) return
    if (performance.now() - peer.since > STABLE_MS) this.#crashes = 0
    const error = failure ?? new Error(`worker ${peer.id} ended with ${signal ?? code}`)
    this.#replace(stall ?? (failure ? 'not_started' : 'ended'), error, peer.id)
  }

  /** @param id of the worker; absent if the machine lacked processes or memory to start one */
  #replace(reason: Reason, error: Error, id?: number): void {
    if (!this.#running) {
      this.#started.reject(error)
      return
    }
    const delayMs = restartDelayMs(++this.#crashes)
    this.#restarts.inc({ reason })
    this.#options.log.error({ err: error, reason, worker: id, delayMs }, 'a worker ended, another takes its place')
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.#fork()
    }, delayMs)
    this.#timers.add(timer)
  }

  #check(): void {
    for (const peer of this.#peers) {
      const reason = peer.check()
      if (reason) this.#options.log.error({ worker: peer.id, reason }, STALLS[reason])
    }
  }

  async #metrics(): Promise<string> {
    const answered = new Set<number>()
    await Promise.all(
      Array.from(this.#peers, async peer => {
        const answer = await peer.ask('metrics')
        if (!answer || !this.#peers.has(peer)) return
        answered.add(peer.id)
        this.#totals.update(peer.id, answer.snapshot)
      }),
    )
    return this.#totals.text(await this.#options.metrics.registry.getMetricsAsJSON(), answered)
  }
}
