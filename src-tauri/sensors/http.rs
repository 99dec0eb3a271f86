//! Makes one HTTP/1.1 exchange with a service on this machine: WAPT's agent or CUPS.

use anyhow::{Context, bail, ensure};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::pin::pin;
use tokio::io::{AsyncRead, AsyncWrite};

/// Sends the request and returns the body of the response, which must have status 200 and at most `max_bytes`.
///
/// Redirects are not followed. The caller limits the time.
pub(super) async fn exchange<S>(stream: S, request: Request<Full<Bytes>>, max_bytes: usize) -> anyhow::Result<Bytes>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let response = response(stream, request, max_bytes).await?;
    let status = response.status();
    ensure!(status == StatusCode::OK, "HTTP status {}", status.as_u16());
    Ok(response.into_body())
}

/// Sends the request and returns the response with its whole body, of at most `max_bytes`. The caller limits the time.
pub(super) async fn response<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    max_bytes: usize,
) -> anyhow::Result<Response<Bytes>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut connection = pin!(connection);
    let mut response = pin!(async move {
        let (head, body) = sender.send_request(request).await.context("no HTTP response")?.into_parts();
        match Limited::new(body, max_bytes).collect().await {
            Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => bail!("more than {max_bytes} bytes"),
            Err(error) => bail!("the response is incomplete: {error}"),
        }
    });
    // The connection makes progress only while it is polled. What it read before it ended can still be collected.
    tokio::select! {
        response = &mut response => response,
        _ = &mut connection => response.await,
    }
}
