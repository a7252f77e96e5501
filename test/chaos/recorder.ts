import { globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type AppEvent, type ClientEvent, userOf } from './events.ts'

/** What the users of this process saw, and how much of what they wrote has not arrived yet. */
export class Recorder {
  readonly events: ClientEvent[] = []
  readonly #open = new Set<string>()

  add(event: ClientEvent): void {
    this.events.push(event)
    if (event.e === 'up') this.#open.add(`up ${event.c} ${event.n}`)
    else if (event.e === 'direct') this.#open.add(`${event.c} ${event.to} ${event.n}`)
    else if (event.e === 'echo') this.#open.delete(`up ${event.c} ${event.n}`)
    else if (event.e === 'arrived') this.#open.delete(`${event.from} ${userOf(event.c)} ${event.n}`)
  }

  /** Messages on their way, roughly: enough to know when to stop waiting. */
  get open(): number {
    return this.#open.size
  }
}

/** What the apps saw, in the order of time. A line that a killed app did not finish is left out. */
export async function readAppEvents(folder: string): Promise<AppEvent[]> {
  const events: AppEvent[] = []
  for (const file of globSync('*.events', { cwd: folder }).sort()) {
    for (const line of (await readFile(join(folder, file), 'utf8')).split('\n').slice(0, -1))
      events.push(JSON.parse(line))
  }
  return events.sort((a, b) => a.at - b.at)
}
