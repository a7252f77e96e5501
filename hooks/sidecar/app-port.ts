import { DEFAULT_APP_PORT, DOMAIN, SIDECAR_CONTAINER } from '../../lib/service/names.ts'
import type { Container, PodSpec } from '../requests/schemas.ts'
import { appCandidates, gatekeeperOf } from './helper-containers.ts'
import { meaningOf, meaningOfPort } from './port-words.ts'
import { ownPorts, type ProbeKind, type ProbePort, probePorts } from './probe-ports.ts'

/** A port on which the app might take WebSockets. */
export interface Candidate {
  readonly port: number
  /** How a message names it: `8971 (https)`. */
  readonly label: string
  readonly score: number
  /** Reasons for it, the strongest first; each continues "because …". */
  readonly reasons: readonly string[]
  /** Why it cannot be the app's; continues "it is …". */
  readonly excluded: string | undefined
  /** Whether users reach it through another container of the pod that requires a login. */
  readonly guarded: boolean
}

export type AppPort =
  | {
      readonly ok: true
      readonly port: number
      /** Whether the port is a guess: nothing in the pod names one. */
      readonly guessed: boolean
      /** Which port was chosen and why, if there was a choice; a whole sentence. */
      readonly choice?: string
    }
  | { readonly ok: false; readonly reason: 'ambiguous-port'; readonly message: string }

/** A declared port is likelier than one that only a probe names, which may be for management alone. */
const DECLARED = 10
const PROBED: Readonly<Record<ProbeKind, { declared: number; alone: number }>> = {
  http: { declared: 30, alone: 10 },
  tcp: { declared: 20, alone: 5 },
  https: { declared: 0, alone: 0 },
  grpc: { declared: 0, alone: 0 },
}
/** `PORT` counts about as much as a TCP probe: most programs listen there, others only know the variable. */
const OWN_PORT = 20
/** The strongest reason: a container that requires a login excludes all others. */
const BEFORE_THE_APP = 200
/** The name of a container counts half, because all its ports share it. */
const CONTAINER_SHARE = 0.5

/**
 * Finds the port on which the app takes WebSockets, from names of ports and containers and from probes. The order in which ports are
 * declared means nothing. Pure.
 *
 * @param current the app's port in the environment of the present sidecar: it wins a tie
 */
export function findAppPort(pod: PodSpec, current?: number): AppPort {
  const candidates = candidatesOf(pod)
  const usable = candidates.filter(({ excluded }) => excluded === undefined)
  if (candidates.length === 0) return { ok: true, port: DEFAULT_APP_PORT, guessed: true }
  if (usable.length === 0) return { ok: false, reason: 'ambiguous-port', message: noneUsable(candidates) }
  const best = Math.max(...usable.map(({ score }) => score))
  const top = usable.filter(({ score }) => score === best)
  const chosen = top.length === 1 ? top[0] : top.find(({ port }) => port === current)
  if (!chosen) return { ok: false, reason: 'ambiguous-port', message: ambiguous(top) }
  const found = { ok: true, port: chosen.port, guessed: false } as const
  return hadChoice(usable, candidates, chosen) ? { ...found, choice: explain(chosen, candidates) } : found
}

/** Every port that the app's containers declare, and every one that their probes ask; a port number once. */
export function candidatesOf(pod: PodSpec): Candidate[] {
  const found = new Map<number, Candidate>()
  const apps = appCandidates(pod, SIDECAR_CONTAINER)
  const gatekeeper = gatekeeperOf(apps)
  for (const container of apps) {
    // Once for each container: there may be many ports and variables.
    const probes = probePorts(container)
    const own = ownPorts(container)
    const declared = new Map(
      (container.ports ?? [])
        .filter(({ protocol = 'TCP' }) => protocol === 'TCP')
        .map(port => [port.containerPort, port] as const)
        .reverse(),
    )
    for (const port of new Set([...declared.keys(), ...probes.map(({ port }) => port), ...own])) {
      const facts = {
        container,
        gatekeeper,
        declared: declared.get(port),
        probes: probes.filter(one => one.port === port),
        own: own.includes(port),
      }
      const candidate = judge(port, facts)
      if (candidate.score >= (found.get(port)?.score ?? Number.NEGATIVE_INFINITY)) found.set(port, candidate)
    }
  }
  return [...found.values()].sort((a, b) => a.port - b.port)
}

/** What the pod says about a port of a container. */
interface Facts {
  readonly container: Container
  /** The container of the pod that requires a login. */
  readonly gatekeeper: Container | undefined
  readonly declared: { readonly name?: string } | undefined
  readonly probes: readonly ProbePort[]
  /** Whether the variable `PORT` of the container names it. */
  readonly own: boolean
}

function judge(port: number, { container, gatekeeper, declared, probes, own }: Facts): Candidate {
  const guarded = gatekeeper !== undefined && gatekeeper !== container
  const ofContainer = meaningOf(container.name)
  const said = meaningOfPort(
    port,
    declared?.name,
    probes.some(({ kind }) => kind === 'http'),
  )
  const secured = probes.find(({ kind }) => kind === 'https' || kind === 'grpc')
  const weight = ({ kind }: { kind: ProbeKind }) => PROBED[kind][declared ? 'declared' : 'alone']
  const probe = probes.toSorted((a, b) => weight(b) - weight(a))[0]
  const evidence: [number, string][] = [
    [said.score, said.reason ?? `it is named ${declared?.name}`],
    [container === gatekeeper ? BEFORE_THE_APP : 0, `container ${container.name} stands before the others`],
    // A bad container name, such as "metrics", need not hold for each of its ports.
    [Math.max(0, ofContainer.score * CONTAINER_SHARE), `it is a port of container ${container.name}`],
    [probe ? weight(probe) : 0, `the ${probe?.probe} asks it`],
    [own ? OWN_PORT : 0, `variable PORT of container ${container.name} names it`],
  ]
  return {
    port,
    label: declared?.name ? `${port} (${declared.name})` : `${port}`,
    score: (declared ? DECLARED : 0) + evidence.reduce((sum, [score]) => sum + score, 0),
    reasons: evidence
      .filter(([score]) => score > 0)
      .sort(([a], [b]) => b - a)
      .map(([, reason]) => reason),
    guarded,
    excluded:
      (guarded ? `behind container ${gatekeeper.name}, which would be passed by` : undefined) ??
      said.excluded ??
      (secured && `asked by the ${secured.probe} with ${secured.kind === 'grpc' ? 'gRPC' : 'HTTPS'}`),
  }
}

/** Score of a port for which more speaks than a word such as "api": a probe, or a name for HTTP. */
const PLAIN = DECLARED + 20

/** The choice is not reported if the pod has one port, or if the names of all others exclude them and this one is plain. */
const hadChoice = (usable: readonly Candidate[], all: readonly Candidate[], chosen: Candidate): boolean =>
  usable.length > 1 || (all.length > 1 && (chosen.score < PLAIN || all.some(({ guarded }) => guarded)))

const labels = (candidates: readonly Candidate[]): string => {
  const names = candidates.map(({ label }) => label)
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

function explain({ port, label, reasons }: Candidate, all: readonly Candidate[]): string {
  const others = all.filter(one => one.port !== port && one.excluded === undefined)
  // A reason that all candidates share explains nothing.
  const why =
    reasons.find(reason => !(others.length > 0 && others.every(other => other.reasons.includes(reason)))) ??
    'the others are for something else by their names or numbers'
  return `Of ports ${labels(all)} the app's is taken to be ${label}, because ${why}. If it is another one, set ${DOMAIN}/app-port.`
}

const ambiguous = (top: readonly Candidate[]): string =>
  `Each of ports ${labels(top)} could be the app's, and nothing says which takes WebSockets. Set ${DOMAIN}/app-port to one of them.`

const noneUsable = (candidates: readonly Candidate[]): string =>
  `No port of the app seems to take WebSockets: ${candidates.map(({ label, excluded }) => `${label} is ${excluded}`).join('; ')}. Set ${DOMAIN}/app-port to the port on which the app speaks plain HTTP.`
