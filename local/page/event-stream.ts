import type { ServerResponse } from 'node:http'

/** A browser with more unread bytes is disconnected; it reconnects by itself and gets the whole state. */
const MAX_QUEUE_BYTES = 1_048_576
const HEARTBEAT_MS = 15_000

/** Browsers that listen by server-sent events (HTML Living Standard §9.2). */
export class EventStream {
  readonly #clients = new Set<ServerResponse>()
  readonly #heartbeat = setInterval(() => this.#write(': still here\n\n'), HEARTBEAT_MS).unref()

  /** Takes over a response, and sends these events first. */
  add(response: ServerResponse, first: readonly (readonly [event: string, data: unknown])[]): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    response.on('close', () => this.#clients.delete(response))
    response.on('error', () => this.#clients.delete(response))
    this.#clients.add(response)
    for (const [event, data] of first) response.write(format(event, data))
  }

  send(event: string, data: unknown): void {
    if (this.#clients.size > 0) this.#write(format(event, data))
  }

  close(): void {
    clearInterval(this.#heartbeat)
    for (const client of this.#clients) client.end()
  }

  #write(text: string): void {
    for (const client of this.#clients) {
      if (client.writableLength > MAX_QUEUE_BYTES) client.destroy()
      else client.write(text)
    }
  }
}

// JSON has no line breaks of its own, which would end the event.
const format = (event: string, data: unknown): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
