//! One HTTP/1.1 exchange with a service on this machine: WAPT's agent, CUPS.

use anyhow::{Context, bail, ensure};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::pin::pin;
use tokio::io::{AsyncRead, AsyncWrite};

/// Sends the request and reads the whole answer, which must be a 200 of at most `limit` bytes. The caller limits the
/// time.
pub(super) async fn exchange<S>(stream: S, request: Request<Full<Bytes>>, limit: usize) -> anyhow::Result<Bytes>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut connection = pin!(connection);
    let mut answer = pin!(async move {
        let response = sender.send_request(request).await.context("no HTTP answer")?;
        let status = response.status();
        ensure!(status == StatusCode::OK, "HTTP status {}", status.as_u16());
        match Limited::new(response.into_body(), limit).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => bail!("more than {limit} bytes"),
            Err(error) => bail!("the answer broke off: {error}"),
        }
    });
    // The connection only moves while it is polled; what it has read before it ended is still there to be collected.
    tokio::select! {
        answer = &mut answer => answer,
        _ = &mut connection => answer.await,
    }
}
