import type { Child } from '../machine/child.ts'

/** What a peer is started with. */
export interface Site {
  /** Core of the peer. */
  readonly core: number
  /** Ports of the two apps. */
  readonly apps: readonly [number, number]
  /** Ports that are free for the peer. */
  readonly ports: readonly [number, number, number, number]
  /** Folder for files of its own. */
  readonly folder: string
  /** Folder with our programs: `balancer.js` and `sidecar.js`. */
  readonly programs: string
}

/** A peer that runs. */
export interface Running {
  readonly children: readonly Child[]
  /** Where clients connect; with more than one, each is asked for its own users. */
  readonly ports: readonly number[]
}

/** One of those that are compared. */
export interface Peer {
  readonly name: string
  /** As the tables show it. */
  readonly title: string
  /** Between clients and apps, or two pods that send messages to each other. */
  readonly shape: 'proxy' | 'pods'
  /** What has to be installed for it. */
  readonly needs?: { readonly command: string; readonly package: string }
  /** What it is, with its version. */
  about(): string
  /** Starts it; it may not listen yet. */
  start(site: Site): Promise<Running>
}
