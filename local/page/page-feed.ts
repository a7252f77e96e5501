import type { ServerResponse } from 'node:http'
import type { Demo } from '../demo.ts'
import { EventStream } from './event-stream.ts'
import { type EventText, podText, trafficText } from './event-text.ts'
import { pageState } from './page-state.ts'

/** Lines of the log that a page gets when it comes. */
const KEPT_LINES = 200
/** Changes that come together are sent together, in milliseconds. */
const STATE_DELAY_MS = 40

/** What the open pages are sent: the state of the demo after each change, and a line for each event. */
export class PageFeed {
  readonly #demo: Demo
  readonly #chatters: readonly string[]
  readonly #stream = new EventStream()
  readonly #lines: (EventText & { readonly time: number })[] = []
  readonly #unlisten: () => void
  #pending: NodeJS.Timeout | undefined

  /** @param chatters whom the pages chat as */
  constructor(demo: Demo, chatters: readonly string[]) {
    this.#demo = demo
    this.#chatters = chatters
    this.addLine({ text: `${demo.chat.ready.length} pods are ready; users connect to ${demo.url}`, tone: 'good' })
    this.#unlisten = demo.listen({
      changed: () => this.sendState(),
      podChanged: pod => this.addLine(podText(pod)),
      traffic: event => {
        this.addLine(trafficText(event))
        if (event.kind === 'routed') this.#stream.send('message', event)
      },
    })
  }

  /** Takes over a response, which gets the state, the latest lines, and whatever follows. */
  addPage(response: ServerResponse): void {
    this.#stream.add(response, [
      ['state', pageState(this.#demo, this.#chatters)],
      ['lines', this.#lines],
    ])
  }

  /** Adds a line to the log of all pages. */
  addLine(event: EventText): void {
    const line = { ...event, time: Date.now() }
    if (this.#lines.push(line) > KEPT_LINES) this.#lines.shift()
    this.#stream.send('line', line)
  }

  /** Sends the state soon. */
  sendState(): void {
    this.#pending ??= setTimeout(() => {
      this.#pending = undefined
      this.#stream.send('state', pageState(this.#demo, this.#chatters))
    }, STATE_DELAY_MS)
  }

  close(): void {
    this.#unlisten()
    clearTimeout(this.#pending)
    this.#stream.close()
  }
}
