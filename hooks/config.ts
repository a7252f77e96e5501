import { Type } from 'typebox'
import { loadConfig } from '../lib/service/config.ts'
import { DEFAULT_HOOKS_PORT } from '../lib/service/names.ts'
import { baseSettings } from '../lib/service/settings.ts'
import { readToken } from '../lib/service/token.ts'
import manifest from '../package.json' with { type: 'json' }
import { readMasterKeys } from './pod-token.ts'

/** Image of this version, as `npm run image` and the Dockerfile name it. */
export const DEFAULT_IMAGE = `${manifest.name}:${manifest.version}`

/** Everything the hooks can be told, by environment. */
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
      'Path of a file with the bearer token that callers of the hooks must show; read once, at the start. Empty: none is asked for.',
  }),
  MASTER_KEY_FILE: Type.String({
    default: '',
    description:
      'File of the keys from which the tokens are derived that sidecars show each other, read at start; one a line, 1 to 4. Sidecars show the token of the first and take those of all. Empty: no tokens.',
  }),
  TOKEN_REQUIRED: Type.Boolean({
    default: true,
    description:
      'Whether a sidecar with a token refuses others that show none; false for as long as not all have got theirs.',
  }),
})

/** @throws {ConfigError} naming every bad variable */
export const loadHooksConfig = (env: NodeJS.ProcessEnv) =>
  loadConfig(
    hooksSchema,
    { TOKEN_FILE: path => (path === '' ? '' : readToken(path)), MASTER_KEY_FILE: readMasterKeys },
    env,
  )

export type HooksConfig = ReturnType<typeof loadHooksConfig>

/** What of the configuration decides how objects look. */
export type Rendering = Pick<
  HooksConfig,
  'IMAGE' | 'IMAGE_PULL_POLICY' | 'CLUSTER_DOMAIN' | 'MASTER_KEY_FILE' | 'TOKEN_REQUIRED'
>
