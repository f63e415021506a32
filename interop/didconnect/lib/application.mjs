// An application of the server: an authenticator and its handlers, whose callbacks are reported.
import {WalletAuthenticator, WalletHandlers} from '@arcblock/did-connect-js';
import Storage from '@arcblock/did-connect-storage-nedb';

export function application({server, baseUrl, prefix, name, say, check, wallet: {did, wallet, delegator, delegation}}) {
  const authenticator = new WalletAuthenticator({
    wallet,
    delegator,
    delegation,
    baseUrl,
    appInfo: {name, description: `${name}, to be logged in to`, icon: `${baseUrl}/logo.png`},
  });
  const handlers = new WalletHandlers({
    authenticator,
    tokenStorage: new Storage({dbPath: `${name}.db`, inMemoryOnly: true}),
    options: {prefix},
  });

  // attach adds a workflow. What onAuth returns goes to the wallet; what seen returns is reported besides.
  const attach = ({action, onAuth = () => undefined, seen = () => undefined, ...rest}) => {
    const report = async (event, {req, userDid, userPk, claims = [], step, extraParams}, more) => say({
      event,
      action,
      step,
      user: userDid,
      own: await check.own(did, userDid, userPk),
      sealed: req.body?.version === '1.0.0' && !String(req.body.userInfo).includes('.') || undefined,
      wallet: req.context?.didwallet?.version,
      previous: extraParams.previousWorkflowData,
      claims: await Promise.all(claims.map((claim) => check.tell(did, claim, userDid, userPk))),
      ...more,
    });
    handlers.attach({
      app: server,
      action,
      ...rest,
      onAuth: async (context) => {
        const answer = await onAuth(context);
        await report('auth', context, await seen(context));
        return answer;
      },
      onDecline: (context) => report('declined', context),
      onError: ({err, stage}) => say({event: 'error', action, stage, error: err.message}),
    });
  };
  return {did, prefix, wallet, attach};
}
