import { Type } from 'typebox'
import { baseSettings } from '../lib/service/base-settings.ts'
import { loadConfig } from '../lib/service/config.ts'
import { readTokens } from '../lib/service/http/token.ts'
import { DEFAULT_HOOKS_PORT } from '../lib/service/names.ts'
import manifest from '../package.json' with { type: 'json' }
import { imageReference } from './annotations/values.ts'
import { readMasterKeys } from './master-keys.ts'
import { parseWaves } from './sidecar/rollout-waves.ts'

/** This version of ws-operator. */
export const OPERATOR_VERSION: string = manifest.version

/** Image of this version, as `npm run image` and the Dockerfile name it. */
export const DEFAULT_IMAGE = `${manifest.name}:${OPERATOR_VERSION}`

/** Settings of the hooks, read from the environment. */
export const hooksSchema = Type.Object({
  ...baseSettings(DEFAULT_HOOKS_PORT),
  IMAGE: Type.String({ default: DEFAULT_IMAGE, description: 'Image of the sidecars and balancers.' }),
  IMAGE_PULL_POLICY: Type.Enum(['IfNotPresent', 'Always', 'Never'], {
    default: 'IfNotPresent',
    description: 'Pull policy of that image.',
  }),
  CLUSTER_DOMAIN: Type.String({
    default: 'cluster.local',
    minLength: 1,
    description: "Domain of the cluster's DNS, at the end of the names of Services.",
  }),
  TOKEN_FILE: Type.String({
    default: '',
    description:
      'Path of a file with 1 to 4 bearer tokens, one a line, of which callers of the hooks must show one; read once, at the start. Empty: none is required.',
  }),
  MAX_BODY_BYTES: Type.Integer({
    minimum: 65_536,
    maximum: 33_554_432,
    default: 4_194_304,
    description:
      'Maximum size of a request of Metacontroller; a larger one gets 413 before it is read. All requests and answers together may use four times as much; above that, the oldest one is ended with 429.',
  }),
  MASTER_KEY_FILE: Type.String({
    default: '',
    description:
      'File with 1 to 4 keys, one a line, from which the tokens of sidecars are derived; read at the start. Sidecars show the token of the first key and accept those of all keys. Empty: no tokens.',
  }),
  TOKEN_REQUIRED: Type.Boolean({
    default: true,
    description: 'Whether a sidecar with a token refuses peers that show none; set it to false until all have theirs.',
  }),
  SIDECAR_UPGRADE_PERCENT: Type.String({
    default: '*=0',
    description:
      'Percentage of the Deployments in each namespace that take a newer sidecar at once, which rolls their pods: namespace=percent, separated by commas, * for all other namespaces. The others take it with their next rollout. Raise it step by step; a Deployment in one share is in each larger one too.',
  }),
})

/** Checked at the start: with a bad name, every pod of a rollout would wait for its image. */
const image = (text: string): string => {
  try {
    return imageReference(text)
  } catch (error) {
    throw new Error(`must be ${(error as Error).message}`)
  }
}

const parsers = {
  IMAGE: image,
  SIDECAR_UPGRADE_PERCENT: parseWaves,
  TOKEN_FILE: (path: string) => (path === '' ? [] : readTokens(path)),
  MASTER_KEY_FILE: readMasterKeys,
} as const

/** @throws {ConfigError} naming every bad variable */
export const loadHooksConfig = (env: NodeJS.ProcessEnv) => loadConfig(hooksSchema, parsers, env, checkTokens)

/** Answers contain the tokens of the pods, so callers must authenticate. */
const checkTokens = (config: { TOKEN_FILE: readonly string[]; MASTER_KEY_FILE: readonly string[] }): string[] =>
  config.MASTER_KEY_FILE.length > 0 && config.TOKEN_FILE.length === 0
    ? [
        'WS_OPERATOR_MASTER_KEY_FILE needs WS_OPERATOR_TOKEN_FILE: without it the hooks give the token of a Deployment to any caller that knows its uid. Add the component webhook-auth before pod-token',
      ]
    : []

export type HooksConfig = ReturnType<typeof loadHooksConfig>

/** The settings that change the rendered objects. */
export type Rendering = Pick<
  HooksConfig,
  'IMAGE' | 'IMAGE_PULL_POLICY' | 'CLUSTER_DOMAIN' | 'MASTER_KEY_FILE' | 'TOKEN_REQUIRED' | 'SIDECAR_UPGRADE_PERCENT'
>
