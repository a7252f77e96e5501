import type { EndCause } from '../../lib/bridge/bridge.ts'
import type { Pod } from '../pods/pod.ts'
import type { TrafficEvent } from '../scenario/traffic.ts'

/** Whether an event is good or bad news; selects its colour on the page. */
export type Tone = 'good' | 'plain' | 'bad'

/** Something that happened, for people. */
export interface EventText {
  readonly text: string
  readonly tone: Tone
}

/** Close codes of RFC 6455 §7.4.1 and its registry that occur here. */
const CLOSES: Readonly<Record<number, string>> = {
  1000: 'closed normally',
  1001: 'closed with 1001, going away',
  1005: 'closed without a code',
  1006: 'cut off without a goodbye (1006)',
  1012: 'closed with 1012, service restart',
}

const CAUSES: Readonly<Record<EndCause, string>> = {
  client: 'by the client',
  upstream: 'by the pod',
  shutdown: 'by the balancer, which ends',
  idle: 'by the balancer, because nothing was heard of it',
  slow_consumer: 'by the balancer, because somebody did not read',
  slow_message: 'by the sidecar, because its message took too long',
  no_room: 'by the sidecar, because there was no room for its message',
  memory: 'by the balancer, because memory was short',
  too_big: 'by the balancer, because of a message that is too large',
  rehome: 'by the balancer, because no other pod took it',
  terminated: 'by the balancer',
}

const UNDELIVERED: Readonly<Record<string, string>> = {
  offline: 'was not delivered: the recipient is not on the pod that owns them',
  no_owner: 'was not delivered: no pod is known',
  rejected: 'was not delivered: the app of the recipient did not take the sender',
  timeout: 'was not delivered in time',
  too_large: 'was not delivered: too large',
  slow_consumer: 'was not delivered: the recipient reads too slowly',
}

/** What a close code means, in words. */
export const closeText = (code: number): string => CLOSES[code] ?? `closed with ${code}`

export function trafficText(event: TrafficEvent): EventText {
  switch (event.kind) {
    case 'connected':
      return { text: `${event.user} is connected to ${event.pod}`, tone: 'good' }
    case 'disconnected': {
      const { user, code, cause } = event
      return {
        text: `${user}'s connection was ${closeText(code)}, ${CAUSES[cause]}`,
        tone: cause === 'client' ? 'plain' : 'bad',
      }
    }
    case 'routed': {
      const { from, to, fromPod, toPod, outcome } = event
      const what = `message from ${from || 'somebody'} to ${to}`
      if (outcome !== 'delivered') return { text: `${what} ${UNDELIVERED[outcome] ?? outcome}`, tone: 'bad' }
      const way = fromPod === toPod ? `stayed on ${fromPod}` : `went from ${fromPod} to ${toPod}`
      return { text: `${what} ${way}, delivered`, tone: 'plain' }
    }
  }
}

export function podText({ name, facts, member, state, problem }: Pod): EventText {
  switch (state) {
    case 'starting':
      return { text: `pod ${name} is starting on ${facts.ip}`, tone: 'plain' }
    case 'ready':
      return { text: `pod ${name} is ready`, tone: 'good' }
    case 'draining':
      return member === undefined
        ? { text: `pod ${name} ends`, tone: 'plain' }
        : {
            text: `pod ${name} is no member any more: its sidecar hands its users over, then the app ends, then the sidecar`,
            tone: 'plain',
          }
    case 'gone':
      return problem === undefined
        ? { text: `pod ${name} is gone`, tone: 'plain' }
        : { text: `pod ${name} failed: ${problem}`, tone: 'bad' }
  }
}
