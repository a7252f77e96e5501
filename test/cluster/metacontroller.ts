import { spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { Api } from './api.ts'
import { end, kubectl, startProxy } from './kubectl.ts'
import { startStandIn } from './metacontroller-stand-in/stand-in.ts'

/** Who plays Metacontroller's part. */
export interface Metacontroller {
  readonly name: string
  /** Makes it sync every parent once more. */
  resync(): Promise<void>
  stop(): Promise<void>
  /** What it said. */
  log(): Promise<string>
}

/**
 * Starts what METACONTROLLER_BIN names, else the stand-in, with the flags and the rights of manifests/with-metacontroller.
 *
 * @param recorder address of an API server, without credentials, that the program is to use, with leader election as users have it
 */
export async function startMetacontroller(recorder?: string): Promise<Metacontroller> {
  const flags = await manifestFlags()
  const program = process.env['METACONTROLLER_BIN']
  return program ? startProgram(program, flags, recorder) : startStandInWith(flags, recorder)
}

async function startStandInWith(flags: readonly string[], recorder?: string): Promise<Metacontroller> {
  const said: string[] = []
  const proxy = recorder === undefined ? await startProxy() : undefined
  const close = async () => proxy?.close()
  const options = {
    api: new Api(recorder ?? proxy?.address ?? '', ACCOUNT),
    fieldManager: value(flags, 'apply-strategy-ssa-field-manager'),
    labelSelector: value(flags, 'target-label-selector'),
    report: (line: string) => void said.push(line),
  }
  const standIn = await startStandIn(options).catch(async error => {
    await close()
    throw error
  })
  return {
    name: `the stand-in for Metacontroller, as ${ACCOUNT}`,
    resync: standIn.resync,
    async stop() {
      await standIn.stop()
      await close()
    },
    log: async () => said.join('\n'),
  }
}

/** Whom manifests/with-metacontroller runs it as. */
export const ACCOUNT = 'system:serviceaccount:ws-operator-system:ws-operator-metacontroller'

/** Writes a kubeconfig for this cluster, or a recorder before it, with the rights of that account and no others. */
async function kubeconfigOfAccount(folder: string, recorder?: string): Promise<string> {
  const config = JSON.parse(await kubectl(['config', 'view', '--raw', '--minify', '--flatten', '-o', 'json'])) as {
    clusters: { cluster: object }[]
    users: { user: object }[]
  }
  for (const one of config.users) one.user = { ...(recorder ? {} : one.user), as: ACCOUNT }
  if (recorder) for (const one of config.clusters) one.cluster = { server: `http://${recorder}` }
  const path = join(folder, 'kubeconfig')
  await writeFile(path, JSON.stringify(config), { mode: 0o600 })
  return path
}

async function startProgram(program: string, flags: readonly string[], recorder?: string): Promise<Metacontroller> {
  const folder = await mkdtemp(join(tmpdir(), 'metacontroller-'))
  const log = join(folder, 'log')
  // Nothing else may use these ports. One process needs no election, which would only make its restarts slow.
  const own = [
    '--metrics-address=0',
    '--health-probe-bind-address=0',
    `--kubeconfig=${await kubeconfigOfAccount(folder, recorder)}`,
  ]
  const args = [...flags.filter(flag => recorder || !flag.startsWith('--leader-election')), ...own]
  const begin = () => {
    const file = openSync(log, 'a')
    return spawn(program, args, { stdio: ['ignore', file, file] })
  }
  let child = begin()
  return {
    name: `Metacontroller (${program}), as ${ACCOUNT}`,
    async resync() {
      await end(child)
      child = begin()
    },
    async stop() {
      await end(child)
      await rm(folder, { recursive: true, force: true })
    },
    log: () => readFile(log, 'utf8'),
  }
}

/** Arguments of the container in manifests/with-metacontroller, so that the tests run what users run. */
async function manifestFlags(): Promise<string[]> {
  const rendered = await kubectl(['kustomize', join(import.meta.dirname, '../../manifests/with-metacontroller')])
  const objects = parseAllDocuments(rendered).map(document => document.toJS())
  const deployment = objects.find(({ kind, metadata }) => kind === 'Deployment' && /metacontroller/.test(metadata.name))
  const { namespace } = deployment.metadata
  return deployment.spec.template.spec.containers[0].args.map((arg: string) =>
    arg.replace('$(POD_NAMESPACE)', namespace),
  )
}

function value(flags: readonly string[], name: string): string {
  const flag = flags.find(text => text.startsWith(`--${name}=`))
  if (!flag) throw new Error(`manifests/with-metacontroller does not set --${name}`)
  return flag.slice(name.length + 3)
}
