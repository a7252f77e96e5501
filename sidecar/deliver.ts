import type { Message } from '../lib/wire/message.ts'
import type { Deliver, Outcome } from '../lib/wire/outcome.ts'
import type { Registry } from './registry.ts'

/**
 * Delivers a message to a user who is connected to this pod, on all of their connections.
 *
 * @returns `delivered` as soon as one connection has taken it; one slow device does not hold up the others
 */
export function deliverHere(registry: Registry, user: string, deliver: Deliver, message: Message): Promise<Outcome> {
  const bridges = registry.connections(user)
  if (bridges.length === 0) return Promise.resolve('offline')
  const side = deliver === 'app' ? 'upstream' : 'client'
  return new Promise(resolve => {
    let open = bridges.length
    let worst: Outcome = 'offline'
    for (const bridge of bridges) {
      bridge.send(side, message).then(result => {
        if (result === 'sent') resolve('delivered')
        else if (result === 'full') worst = 'slow_consumer'
        if (--open === 0) resolve(worst)
      }, resolve)
    }
  })
}
