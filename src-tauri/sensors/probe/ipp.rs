//! Probes a print server with Get-Printer-Attributes (RFC 8011, section 4.2.5). Whether the printer exists does not
//! matter: only a print server answers in IPP with the request's number.

use super::ProtocolAnswer;
use crate::sensors::http;
use anyhow::{Context, ensure};
use http_body_util::Full;
use hyper::Request;
use hyper::header::{CONTENT_TYPE, HOST};
use ipp::model::{DelimiterTag, IppVersion, Operation};
use ipp::parser::IppParser;
use ipp::reader::IppReader;
use ipp::request::IppRequestResponse;
use std::io::Cursor;
use tokio::net::TcpStream;
use vigie_profile::IntranetHost;

const MEDIA_TYPE: &str = "application/ipp";
/// With one attribute asked for, an answer is a few hundred bytes.
const MAX_RESPONSE_BYTES: usize = 256 * 1024;

/// Sends the request and judges the answer.
pub(super) async fn ask(stream: &mut TcpStream, host: &IntranetHost) -> anyhow::Result<ProtocolAnswer> {
    let number = fastrand::i32(1..);
    let uri = format!("ipp://{}:{}{}", bracketed(&host.host), host.port, host.path);
    let mut question =
        IppRequestResponse::new(IppVersion::v1_1(), Operation::GetPrinterAttributes, Some(uri.parse()?))?;
    question.header_mut().request_id = number;
    let wanted = ipp::value::IppValue::new_keyword("printer-state")?;
    let wanted = wanted.named(ipp::value::IppName::new("requested-attributes")?);
    question.attributes_mut().add(DelimiterTag::OperationAttributes, wanted);
    let request = Request::post(&host.path)
        .header(HOST, format!("{}:{}", bracketed(&host.host), host.port))
        .header(CONTENT_TYPE, MEDIA_TYPE)
        .body(Full::new(question.to_bytes()))?;
    let answer = http::response(stream, request, MAX_RESPONSE_BYTES).await?;
    Ok(match is_response(&answer, number) {
        Ok(()) => ProtocolAnswer::Correct,
        Err(error) => {
            tracing::debug!("{host}: not an IPP response: {error:#}");
            ProtocolAnswer::Wrong
        }
    })
}

/// Checks that `answer` is an IPP response to the request with this number.
fn is_response(answer: &hyper::Response<hyper::body::Bytes>, number: i32) -> anyhow::Result<()> {
    ensure!(answer.status() == hyper::StatusCode::OK, "HTTP status {}", answer.status().as_u16());
    let media_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    ensure!(media_type.eq_ignore_ascii_case(MEDIA_TYPE), "content type {media_type:?}");
    let parsed = IppParser::new(IppReader::new(Cursor::new(answer.body().to_vec()))).parse().context("not IPP")?;
    let header = parsed.header();
    ensure!(header.request_id == number, "request {} instead of {number}", header.request_id);
    ensure!(matches!(header.version.0 >> 8, 1 | 2), "version {:#x}", header.version.0);
    // Successful, client and server errors (RFC 8011, appendix B); an operation's number is none of these.
    ensure!(matches!(header.operation_or_status >> 8, 0 | 4 | 5), "status {:#x}", header.operation_or_status);
    let charset = parsed.attributes().groups_of(DelimiterTag::OperationAttributes);
    ensure!(charset.into_iter().any(|group| group.get("attributes-charset").is_some()), "no attributes-charset");
    Ok(())
}

/// Returns the host as it is written in a URL: an IPv6 address in brackets.
fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use ipp::model::StatusCode;

    /// Returns a print server's HTTP answer to the IPP request with this number.
    pub(in crate::sensors::probe) fn answer(number: i32) -> hyper::Response<hyper::body::Bytes> {
        let body = IppRequestResponse::new_response(IppVersion::v1_1(), StatusCode::ClientErrorNotFound, number)
            .expect("a response");
        hyper::Response::builder().header(CONTENT_TYPE, MEDIA_TYPE).body(body.to_bytes()).expect("a response")
    }

    #[test]
    fn a_response_must_be_ipp_and_to_this_request() {
        assert!(is_response(&answer(7), 7).is_ok());
        let refused = |change: &dyn Fn(&mut hyper::Response<hyper::body::Bytes>), what: &str| {
            let mut changed = answer(7);
            change(&mut changed);
            assert!(is_response(&changed, 7).is_err(), "{what}");
        };
        refused(&|answer| *answer = self::answer(8), "another request");
        refused(&|answer| *answer.status_mut() = hyper::StatusCode::FORBIDDEN, "a refusal");
        refused(
            &|answer| drop(answer.headers_mut().insert(CONTENT_TYPE, "text/html".parse().expect("ascii"))),
            "a page",
        );
        refused(&|answer| drop(answer.headers_mut().remove(CONTENT_TYPE)), "no type");
        refused(&|answer| *answer.body_mut() = "<html>".into(), "a page under a false type");
        refused(&|answer| *answer.body_mut() = hyper::body::Bytes::new(), "nothing");
        refused(
            &|answer| {
                let uri = Some("ipp://h/".parse().expect("an address"));
                let mut request = IppRequestResponse::new(IppVersion::v1_1(), Operation::GetPrinterAttributes, uri)
                    .expect("a request");
                request.header_mut().request_id = 7;
                request.header_mut().operation_or_status = 0x0b0b;
                *answer.body_mut() = request.to_bytes();
            },
            "a status that does not exist",
        );
    }
}
