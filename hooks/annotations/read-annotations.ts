import { fitsPing } from '../../lib/proxy/proxy-settings.ts'
import { hasControlCharacter } from '../../lib/routing/key/key-text.ts'
import { DOMAIN } from '../../lib/service/names.ts'
import { ANNOTATIONS, type AnnotationName, DEFAULTS, type Settings, WRITTEN } from './annotations.ts'
import { didYouMean } from './did-you-mean.ts'
import { PING_AND_IDLE } from './tuning-annotations.ts'
import { cpuMillis, memoryBytes } from './values.ts'

/** The settings of a Deployment, or all problems of its annotations. */
export type SettingsResult =
  | { readonly ok: true; readonly settings: Settings }
  | { readonly ok: false; readonly problems: readonly string[] }

const PREFIX = `${DOMAIN}/`
const NAMES = Object.keys(ANNOTATIONS)

/**
 * Reads the annotations `ws.operator/…` of a Deployment. Problems are sorted by the annotations' names, so that the same
 * annotations always give the same text.
 */
export function readSettings(annotations: Readonly<Record<string, string>> = {}): SettingsResult {
  const settings: Partial<Record<AnnotationName, unknown>> = {}
  const problems: string[] = []
  for (const key of Object.keys(annotations).sort()) {
    if (!key.startsWith(PREFIX)) continue
    const name = key.slice(PREFIX.length)
    if (Object.hasOwn(WRITTEN, name)) continue
    if (!isAnnotation(name)) {
      problems.push(`${key} ${unknownAnnotation(name)}`)
      continue
    }
    const text = annotations[key]!.trim()
    try {
      settings[name] = ANNOTATIONS[name].parse(printable(text))
    } catch (error) {
      problems.push(`${key} must be ${(error as Error).message} (it is ${quote(text)})`)
    }
  }
  if (problems.length > 0) return { ok: false, problems }
  const checked = settings as Settings
  const conflicts = [cpuConflict(checked), memoryConflict(checked), ...pingConflicts(checked)].filter(
    conflict => conflict !== undefined,
  )
  return conflicts.length === 0 ? { ok: true, settings: checked } : { ok: false, problems: conflicts }
}

/** Most values become variables of a container, which does not start with a NUL in one. */
function printable(text: string): string {
  if (hasControlCharacter(text)) throw new Error('a text without control characters')
  return text
}

const isAnnotation = (name: string): name is AnnotationName => Object.hasOwn(ANNOTATIONS, name)

function unknownAnnotation(name: string): string {
  const suggestion = didYouMean(name, NAMES)
  return suggestion === undefined
    ? 'is not an annotation of ws-operator'
    : `is not an annotation of ws-operator; did you mean ${PREFIX}${suggestion}?`
}

function cpuConflict(settings: Settings): string | undefined {
  const [request, limit] = [settings['sidecar-cpu-request'], settings['sidecar-cpu-limit']]
  if (request === undefined || limit === undefined || cpuMillis(request) <= cpuMillis(limit)) return undefined
  return `${PREFIX}sidecar-cpu-request (${request}) must not be above ${PREFIX}sidecar-cpu-limit (${limit})`
}

function memoryConflict(settings: Settings): string | undefined {
  const [request, limit] = (['sidecar-memory-request', 'sidecar-memory-limit'] as const).map(
    name => settings[name] ?? DEFAULTS[name],
  ) as [string, string]
  if (memoryBytes(request) <= memoryBytes(limit)) return undefined
  return `${PREFIX}sidecar-memory-request (${request}) must not be above ${PREFIX}sidecar-memory-limit (${limit})`
}

/** Programs refuse to start with these: an idle side that gets no ping may still be alive. */
function pingConflicts(settings: Settings): string[] {
  return PING_AND_IDLE.flatMap(names => {
    const [ping, idle] = names.map(name => Number(settings[name] ?? ANNOTATIONS[name].fallback)) as [number, number]
    if (fitsPing(ping, idle)) return []
    const [asked, gone] = names.map(name => `${PREFIX}${name}`)
    return [`${asked} (${ping}) must be above 0 and below ${gone} (${idle})`]
  })
}

/** A value as messages show it, cut to one line. */
const quote = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
